package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vklstm/train"
	"vklstm/train/data"
	"vklstm/train/device"
	"vklstm/train/files"
	"vklstm/train/progress"
	"vklstm/train/search"
)

// searchFlags are the flags of search that are not of training.
type searchFlags struct {
	*trainFlags
	try                  []string
	space, method        string
	trials, seeds        int
	asha                 bool
	minEpochs, reduction int
	sideBySide           int
	outDir, db, json     string
}

// The groups of search's own flags in its help.
const (
	groupSearch = "Search"
	groupOutput = "Results"
)

// SearchFile is the file of a search in --out-dir.
const searchFile = "search.sqlite"

// searchCommand looks for the settings that do best on the validation part.
func searchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "search --try NAME=VALUES...",
		Short: "Try settings of training, choose by validation F1, and test the best once",
		Long: `Try settings of training, choose by validation F1, and test the best once.

  vklstm search --data data.npz --split group --out-dir search \
    --try lr=1e-4:1e-2:log --try lstm-units=32,64,128 --try dropout=0.1:0.5

tries 20 settings drawn at random. VALUES is a list A,B,C (with ; between them
where a value has commas), a range LO:HI, or LO:HI:log, drawn by logarithm; with
a count, LO:HI:5, it is that number of evenly spaced values. All else is as in
'vklstm train'. The model of the best setting is written as train writes it.

A search that was ended, however, goes on when the same command is given again.`,
	}
	f := c.Flags()
	s := &searchFlags{}
	grouped(f, groupSearch, func() {
		f.StringArrayVar(&s.try, "try", nil, "a flag of training and what to try of it, as lr=1e-4:1e-2:log; again for each flag")
		f.StringVar(&s.space, "space", "", "the same from a YAML `file`: lr: {min: 1e-4, max: 1e-2, log: true}, or lstm-units: [32, 64]")
		f.StringVar(&s.method, "method", search.MethodRandom, "random: draw --trials settings; grid: every combination of lists")
		f.IntVar(&s.trials, "trials", 20, "settings that random draws")
		f.IntVar(&s.seeds, "seeds", 1, "train each setting so many times, with seeds --seed, --seed + 1, …, and take the mean")
		f.BoolVar(&s.asha, "asha", false, "successive halving: of all trials, compared at --min-epochs, the best go on to --reduction times as many epochs, and so on")
		f.IntVar(&s.minEpochs, "min-epochs", 0, "asha: epochs of the first rung (default: --epochs, divided by --reduction three times)")
		f.IntVar(&s.reduction, "reduction", 3, "asha: one in so many trials goes on")
		f.IntVar(&s.sideBySide, "side-by-side", 0, "most models that train at once; 0: 16, or what the device has memory for. Only models of one network and batch do")
	})
	grouped(f, groupOutput, func() {
		f.StringVar(&s.outDir, "out-dir", "search", "`folder` of "+searchFile+", of the best model's "+train.CheckpointFile+", and of what train writes beside it")
		f.StringVar(&s.db, "db", "", "SQLite `file` that keeps the search (default: "+searchFile+" in --out-dir)")
		f.StringVar(&s.json, "json", "", "write the result to this `file` as JSON; - is standard output, in place of the table")
	})
	s.trainFlags = addTrainFlags(f)
	splitFlag(f, &s.cfg.Split)
	groupedHelp(c, groupSearch, groupOutput, groupData, groupNetwork, groupTraining, groupRate, groupStop, groupDevice)
	c.RunE = func(c *cobra.Command, _ []string) error { return s.run(c) }
	return c
}

// notTried are flags of training that cannot be tried, and why.
var notTried = map[string]string{
	"data": "a search is on one data set", "x-key": "a search is on one data set", "y-key": "a search is on one data set", "group-key": "a search is on one data set",
	"split": "all trials must be judged by one validation part", "seed": "it says which windows are the validation part; --seeds repeats each trial with several",
	"train-on-val": "a search needs the validation part to choose by", "device": "a search is on one device",
	"ensemble": "trials are single models, and --seeds repeats them; train the best one as an ensemble afterwards",
	"quiet":    "it is about the log", "log-format": "it is about the log",
	"threshold": "trials are compared at 0.5, and the threshold is chosen when training has ended",
}

// fresh returns the flags of training as the command line has them, in a set of their own, so that a trial's can be set.
func (s *searchFlags) fresh() (*trainFlags, *pflag.FlagSet, error) {
	f := pflag.NewFlagSet("trial", pflag.ContinueOnError)
	t := addTrainFlags(f)
	splitFlag(f, &t.cfg.Split)
	var err error
	s.set.Visit(func(given *pflag.Flag) {
		if e := setFlag(f, given.Name, given.Value.String()); f.Lookup(given.Name) != nil && err == nil {
			err = e
		}
	})
	return t, f, err
}

// setFlag sets a flag; the error is a sentence.
func setFlag(f *pflag.FlagSet, name, value string) error {
	if err := f.Set(name, value); err != nil {
		return usageError{plainFlagError(err)}
	}
	return nil
}

// flag finds a flag that can be tried.
func (s *searchFlags) flag(name string) (search.Flag, error) {
	_, f, err := s.fresh()
	if err != nil {
		return search.Flag{}, err
	}
	v := f.Lookup(name)
	switch {
	case notTried[name] != "":
		return search.Flag{}, fmt.Errorf("--%s cannot be tried: %s", name, notTried[name])
	case v == nil:
		return search.Flag{}, fmt.Errorf("a search can try no flag --%s; 'vklstm search --help' lists those of training", name)
	case s.set.Changed(name):
		return search.Flag{}, fmt.Errorf("--%s is given and tried; leave one away", name)
	}
	kind := search.Text
	switch {
	case strings.HasPrefix(v.Value.Type(), "float"):
		kind = search.Real
	case v.Value.Type() == "int" || v.Value.Type() == "int64":
		kind = search.Integer
	}
	return search.Flag{Name: name, Kind: kind, Canonical: func(text string) (string, error) {
		if err := setFlag(f, name, text); err != nil {
			return "", err
		}
		return v.Value.String(), nil
	}}, nil
}

// study reads what is searched. The data are not known yet.
func (s *searchFlags) study(c *cobra.Command, cfg train.Config) (*search.Study, error) {
	study := &search.Study{Method: s.method, Trials: s.trials, Seed: cfg.Seed, Repeats: s.seeds, Epochs: cfg.Epochs}
	switch {
	case s.method == search.MethodGrid && c.Flags().Changed("trials"):
		return nil, usagef("--trials is of --method random; a grid has as many trials as combinations")
	case !s.asha && (c.Flags().Changed("min-epochs") || c.Flags().Changed("reduction")):
		return nil, usagef("--min-epochs and --reduction are of --asha; add it")
	case s.sideBySide < 0:
		return nil, usagef("--side-by-side %d: it must be at least 0", s.sideBySide)
	}
	if s.space != "" {
		space, err := search.ReadSpace(s.space, s.flag)
		if err != nil {
			return nil, err
		}
		study.Space = space
	}
	for _, text := range s.try {
		d, err := search.ParseTry(text, s.flag)
		if err != nil {
			return nil, usageError{err.Error()}
		}
		study.Space = append(study.Space, d)
	}
	if s.asha {
		if study.MinEpochs, study.Reduction = s.minEpochs, s.reduction; study.MinEpochs == 0 && s.reduction > 0 {
			cube := s.reduction * s.reduction * s.reduction
			study.MinEpochs = max(1, (cfg.Epochs+cube-1)/cube)
		}
	}
	if err := study.Check(); err != nil {
		return nil, usageError{err.Error()}
	}
	t, f, err := s.fresh()
	if err != nil {
		return nil, err
	}
	if _, err := t.config(); err != nil {
		return nil, err
	}
	f.VisitAll(func(flag *pflag.Flag) {
		tried := slices.ContainsFunc(study.Space, func(d search.Dimension) bool { return d.Name == flag.Name })
		if !tried && !slices.Contains([]string{"data", "seed", "quiet", "log-format"}, flag.Name) {
			study.Flags = append(study.Flags, search.Setting{Name: flag.Name, Value: flag.Value.String()})
		}
	})
	return study, nil
}

// trials makes every trial ready: the same parser and the same checks as of train's command line.
func (s *searchFlags) trialsOf(study *search.Study, d *device.Device, data *data.Dataset) ([]search.Trial, error) {
	list, err := study.Settings()
	if err != nil {
		return nil, usageError{err.Error()}
	}
	trials := make([]search.Trial, len(list))
	for i, settings := range list {
		t, f, err := s.fresh()
		for _, v := range settings {
			if err == nil {
				err = setFlag(f, v.Name, v.Value)
			}
		}
		var cfg train.Config
		if err == nil {
			cfg, err = t.config()
		}
		device := *d // the same device, set as this trial has it
		if err == nil {
			err = t.setDevice(&device)
		}
		if err != nil {
			return nil, fmt.Errorf("trial %d (%s): %w", i, trialText(settings), err)
		}
		cfg.Data, cfg.Dataset, cfg.Engine = "", data, device.NewEngine
		trials[i] = search.Trial{Settings: settings, Config: cfg, Kind: t.adam + " " + t.path + " " + t.precision}
	}
	return trials, nil
}

// trialText writes settings as a command line has them.
func trialText(settings []search.Setting) string {
	var words []string
	for _, v := range settings {
		words = append(words, "--"+v.Name+"="+quoted(v.Value))
	}
	return strings.Join(words, " ")
}

// quoted returns a word as a shell reads it.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:=+@%", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// command returns the line that trains a trial again, and whether a recipe would train on the validation part too.
func (s *searchFlags) command(settings []search.Setting) (line string, onVal bool) {
	f := pflag.NewFlagSet("train", pflag.ContinueOnError)
	t := addTrainFlags(f)
	splitFlag(f, &t.cfg.Split)
	words := []string{"vklstm train"}
	add := func(v search.Setting) {
		_ = f.Set(v.Name, v.Value) // it was set before
		words = append(words, trialText([]search.Setting{v}))
	}
	s.set.Visit(func(given *pflag.Flag) {
		if f.Lookup(given.Name) != nil && !slices.Contains([]string{"quiet", "log-format", "train-on-val"}, given.Name) {
			add(search.Setting{Name: given.Name, Value: given.Value.String()})
		}
	})
	for _, v := range settings {
		add(v)
	}
	if cfg, err := t.config(); err == nil && cfg.TrainOnVal {
		add(search.Setting{Name: "train-on-val", Value: "false"})
		onVal = true
	}
	return strings.Join(append(words, "--save-best"), " "), onVal
}

// load reads the data and divides them, as train does.
func (s *searchFlags) load(cfg train.Config) (*data.Dataset, *data.Parts, []string, error) {
	d, err := cfg.LoadData()
	if err != nil {
		return nil, nil, nil, err
	}
	parts := data.SplitRandom(d.N, cfg.Seed)
	if cfg.Split == train.SplitByGroup {
		if parts, err = data.SplitGroup(d, cfg.Seed); err != nil {
			return nil, nil, nil, err
		}
	}
	notes, err := d.Check(parts, data.Division{})
	return d, &parts, notes, err
}

// validate keeps the validation part for choosing, whatever a recipe says.
func (s *searchFlags) validate() error {
	const name = "train-on-val"
	if s.set.Changed(name) {
		return usagef("--%s does not go with a search: %s", name, notTried[name])
	}
	return setFlag(s.set, name, "false")
}

// run is the command.
func (s *searchFlags) run(c *cobra.Command) error {
	if err := s.validate(); err != nil {
		return err
	}
	cfg, err := s.config()
	if err != nil {
		return err
	}
	study, err := s.study(c, cfg)
	if err != nil {
		return err
	}
	db := s.db
	if db == "" {
		db = filepath.Join(s.outDir, searchFile)
	}
	for name, path := range map[string]string{"json": s.json, "db": db} {
		if err := spares(name, path, cfg.Data, s.space); err != nil {
			return err
		}
	}
	if err := spares("json", s.json, db); err != nil {
		return err
	}
	var outputs []string
	for _, name := range []string{train.CheckpointFile, train.HistoryFile, train.HistoryPlotFile, train.ROCPlotFile, train.ConfusionFile, train.TestMetricsFile} {
		outputs = append(outputs, filepath.Join(s.outDir, name))
	}
	if s.json != "" && s.json != "-" {
		outputs = append(outputs, s.json)
	}
	if err := files.CheckWritable(outputs...); err != nil {
		return err
	}
	data, parts, notes, err := s.load(cfg)
	if err != nil {
		return err
	}
	study.Data = search.HashData(data)
	device, err := s.open()
	if err != nil {
		return err
	}
	defer device.Close()
	trials, err := s.trialsOf(study, device, data)
	if err != nil {
		return err
	}
	for _, t := range trials { // they differ where epochs are tried
		study.Epochs = max(study.Epochs, t.Config.Epochs)
	}
	store, err := search.Open(db, study)
	if err != nil {
		return err
	}
	defer store.Close()
	work := &search.Search{Study: study, Trials: trials, Parts: parts, Store: store, SideBySide: s.sideBySide, LogFormat: cfg.LogFormat}
	if !cfg.Quiet {
		work.Log = os.Stderr
	}
	log := progress.New(os.Stderr, cfg.LogFormat, cfg.Quiet)
	for _, n := range notes {
		log.Warn("%s", n)
	}
	log.Note("%s windows of %d steps × %d features; split %s, seed %d: %s training, %s validation, %s test windows", humanize.Comma(int64(data.N)), data.T, data.F,
		cfg.Split, cfg.Seed, humanize.Comma(int64(len(parts.Train))), humanize.Comma(int64(len(parts.Val))), humanize.Comma(int64(len(parts.Test))))
	log.Note("the search is kept in %s; ended before its end, it goes on when the same command is given again", db)
	list, err := work.Run(c.Context())
	if err != nil {
		return err
	}
	return s.finish(c, work, list)
}

// finish tests the best trial's model, writes its files, and reports.
func (s *searchFlags) finish(c *cobra.Command, work *search.Search, list []search.Ranked) error {
	best := list[0]
	snapshot, err := work.Winner(best)
	if err != nil {
		return err
	}
	table := s.json != "-" && work.Trials[0].Config.LogFormat == progress.Text
	if table {
		if err := work.Study.WriteTable(os.Stdout, list); err != nil {
			return err
		}
	}
	cfg := work.Trials[best.Trial].Config
	cfg.From, cfg.SaveBest, cfg.CheckpointDir, cfg.HistoryDir, cfg.PlotDir = snapshot, true, s.outDir, s.outDir, s.outDir
	cfg.Quiet, cfg.Log, cfg.Out = true, os.Stderr, io.Discard
	if table {
		cfg.Out = os.Stdout
	}
	r, err := train.LSTM(c.Context(), cfg)
	if err != nil {
		return err
	}
	t := r.Test.Test
	if err := work.Store.SaveTest(map[string]float64{"accuracy": float64(t.Accuracy), "precision": float64(t.Precision), "recall": float64(t.Recall),
		"f1": float64(t.F1), "roc_auc": float64(t.AUC), "windows": float64(t.Samples)}); err != nil {
		return err
	}
	command, onVal := s.command(best.Settings)
	result := func(w io.Writer) error {
		return work.Study.WriteJSON(w, list, search.Best{Trial: best.Trial, Command: command, Seed: work.Study.Seed, Test: &t})
	}
	switch s.json {
	case "-":
		return result(os.Stdout)
	case "":
	default:
		if err := files.Write(s.json, result); err != nil {
			return err
		}
	}
	if table {
		_, err = fmt.Printf("Trial %d is best; this trains its model again:\n  %s\n", best.Trial, command)
		if err == nil && onVal {
			_, err = fmt.Println("Without --train-on-val=false it trains on the validation part too, as the recipe has it.")
		}
	}
	return err
}
