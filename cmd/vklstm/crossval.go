package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vklstm/train/crossval"
	"vklstm/train/files"
)

// groupFolds is crossval's group of flags.
const groupFolds = "Folds"

// crossvalCommand judges a setting by training it several times, each time on all but one fold of the data.
func crossvalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "crossval",
		Short: "Judge a setting by cross-validation: every window predicted by models that did not see its group",
		Long: `Judge a setting by cross-validation: every window predicted by models that did not see its group.

Groups (recordings, persons: --group-key) are never on both sides of a fold. Folds are those of scikit-learn's
StratifiedGroupKFold, and of its StratifiedKFold where the file has no groups. Inside of a fold one in five of the other
groups validates, unless --no-early-stopping --train-on-val trains on them too. All models train side by side, each as it
would alone. Ctrl-C ends it without a result.

A recipe is a set of flags and nothing more:` + recipeHelp(),
	}
	f := c.Flags()
	flags := addTrainFlags(f)
	cv := crossval.DefaultCrossValidation(flags.cfg)
	var foldKey, rule, against, jsonPath, out string
	grouped(f, groupFolds, func() {
		f.IntVar(&cv.K, "folds", cv.K, "parts that are tested on in turn")
		f.StringVar(&rule, "fold-rule", string(crossval.Stratified), "stratified (scikit-learn's, groups whole), rank (sorted groups dealt out in turn), or windows (stratified, groups cut)")
		f.StringVar(&foldKey, "fold-key", "", "array of each window's fold, 0 to k−1, in place of a rule")
		f.BoolVar(&cv.Shuffle, "shuffle-folds", false, "draw the folds by --seed, as scikit-learn's shuffle=True, random_state=SEED")
		f.IntVar(&cv.Repeats, "repeats", cv.Repeats, "times with other folds each, drawn by --seed and the numbers after it")
		f.IntVar(&cv.Seeds, "seeds", cv.Seeds, "times on the same folds with other initial weights and orders")
		f.IntVar(&cv.Ensemble, "ensemble", cv.Ensemble, "models for each fold, with different seeds, whose probabilities are averaged")
		f.IntVar(&cv.SideBySide, "side-by-side", 0, "most models that train at once; 0: all, or what the device has memory for")
	})
	grouped(f, groupFiles, func() {
		f.StringVar(&jsonPath, "json", "", "write the result to this `file` as JSON; - is standard output, in place of the tables")
		f.StringVar(&against, "against", "", "`file` that --out wrote for other settings (.npz): say how much better or worse these are")
		f.StringVar(&out, "out", "", "`file` for the probabilities out of fold: "+predictionFormats)
	})
	groupedHelp(c, groupData, groupFolds, groupNetwork, groupTraining, groupRate, groupStop, groupFiles, groupDevice)
	c.RunE = func(c *cobra.Command, _ []string) error {
		cfg, err := flags.config()
		if err != nil {
			return err
		}
		cv.Rule, cv.Config = crossval.Rule(rule), cfg
		if err := checkFolds(c, cv, foldKey); err != nil {
			return err
		}
		if err := cv.Validate(); err != nil {
			return err
		}
		if out != "" {
			if err := checkOutOfFold(out); err != nil {
				return err
			}
		}
		if jsonPath == out && out != "" && out != "-" {
			return usagef("--json and --out both name %s; name two files", out)
		}
		for name, path := range map[string]string{"json": jsonPath, "out": out} {
			if path == "" || path == "-" {
				continue
			}
			if err := spares(name, path, cfg.Data); err != nil {
				return err
			}
			if err := files.CheckWritable(path); err != nil {
				return err
			}
		}
		d, err := cfg.LoadData()
		if err != nil {
			return err
		}
		cv.Config.Dataset, cv.Config.Data = d, ""
		if foldKey != "" {
			k := 0
			if c.Flags().Changed("folds") {
				k = cv.K
			}
			if cv.Given, err = crossval.LoadFolds(cfg.Data, foldKey, d.N, k); err != nil {
				return err
			}
		}
		var base *crossval.Base
		if against != "" {
			if base, err = crossval.LoadBase(against, d); err != nil {
				return err
			}
		}
		device, err := flags.open()
		if err != nil {
			return err
		}
		defer device.Close()
		cv.Config.Engine = device.NewEngine
		cv.Log, cv.LogFormat, cv.Quiet = os.Stderr, cfg.LogFormat, cfg.Quiet
		o, err := cv.Run(c.Context())
		if err != nil {
			return err
		}
		return writeCrossval(o, base, jsonPath, out)
	}
	return c
}

// checkFolds returns an error about flags that do not go together.
func checkFolds(c *cobra.Command, cv crossval.CrossValidation, foldKey string) error {
	known := false
	var names []string
	for _, r := range crossval.Rules {
		known = known || r == cv.Rule
		names = append(names, string(r))
	}
	switch {
	case !known:
		return usagef("--fold-rule %q: it must be one of %s", cv.Rule, strings.Join(names, ", "))
	case foldKey == "":
		return nil
	case cv.Config.Data == "":
		return fmt.Errorf("--fold-key %s: folds are read from the file that --data names", foldKey)
	}
	for _, name := range []string{"fold-rule", "shuffle-folds", "repeats"} {
		if c.Flags().Changed(name) {
			return fmt.Errorf("--%s makes folds, and --fold-key reads them from the file; give one of the two", name)
		}
	}
	return nil
}

// writeCrossval writes the result: tables, or JSON to standard output, and the files.
func writeCrossval(o *crossval.Outcome, base *crossval.Base, jsonPath, out string) error {
	if out != "" {
		if err := files.Write(out, func(w io.Writer) error { return encodeOutOfFold(w, o, out) }); err != nil {
			return err
		}
	}
	r := o.Report()
	if base != nil {
		r.Against = o.Compare(base)
	}
	switch jsonPath {
	case "-":
		return r.WriteJSON(os.Stdout)
	case "":
		return r.Write(os.Stdout)
	}
	if err := files.Write(jsonPath, r.WriteJSON); err != nil {
		return err
	}
	return r.Write(os.Stdout)
}
