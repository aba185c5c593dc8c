-- What is searched, by flag or name. A search goes on only where all of this is the same.
CREATE TABLE study (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;
-- What a trial sets, beside the flags in study.
CREATE TABLE setting (
  trial INTEGER NOT NULL,      -- counts from 0
  name TEXT NOT NULL,          -- a flag of vklstm train
  value TEXT NOT NULL,
  PRIMARY KEY (trial, name)
) STRICT;
-- How a trial's training with one seed stood at a rung, the last of which is the whole training.
CREATE TABLE result (
  trial INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  rung INTEGER NOT NULL,       -- counts from 0
  epochs INTEGER NOT NULL,     -- trained so far
  best_epoch INTEGER NOT NULL, -- counts from 0; -1: none
  val_f1 REAL,                 -- of the best epoch, at threshold 0.5; NULL: undefined
  val_auc REAL,                -- of the best epoch; NULL: undefined
  stopped TEXT NOT NULL,       -- done, early, diverged, or '' where training may go on
  reason TEXT NOT NULL,        -- why it stopped
  device TEXT NOT NULL,        -- which device trained, by which path
  PRIMARY KEY (trial, seed, rung)
) STRICT;
-- The scores of every epoch, as lstm_history.csv has them; NULL: undefined.
CREATE TABLE history (
  trial INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  epoch INTEGER NOT NULL,      -- counts from 0
  accuracy REAL, auc REAL, f1 REAL, loss REAL, precision REAL, recall REAL,
  val_accuracy REAL, val_auc REAL, val_f1 REAL, val_loss REAL, val_precision REAL, val_recall REAL,
  PRIMARY KEY (trial, seed, epoch)
) STRICT;
-- Trainings that go on from here; their history says how many epochs they have had.
CREATE TABLE paused (
  trial INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  learning_rate REAL NOT NULL, -- of the next epoch, before any schedule
  best_epoch INTEGER NOT NULL, -- whose weights are kept so far, counts from 0; -1: none
  PRIMARY KEY (trial, seed)
) STRICT;
-- Weights of trainings that go on, and of the best trial so far.
CREATE TABLE weights (
  trial INTEGER NOT NULL,
  seed INTEGER NOT NULL,
  kind TEXT NOT NULL,          -- 'now', or 'best': of the best epoch
  part INTEGER NOT NULL,       -- counts from 0; of 16 MiB each, but for the last
  step INTEGER NOT NULL,       -- optimizer steps taken
  bytes BLOB NOT NULL,         -- float32, little-endian: parameters, first moments, second moments
  PRIMARY KEY (trial, seed, kind, part)
) STRICT;
-- The best trial's scores on the test part, taken once, when all else was done; NULL: undefined.
CREATE TABLE test (
  name TEXT PRIMARY KEY,
  value REAL
) STRICT;
-- The mean of a trial's seeds at each rung.
CREATE VIEW score AS
  SELECT trial, rung, count(*) AS seeds, avg(val_f1) AS val_f1, max(epochs) AS epochs FROM result GROUP BY trial, rung;
