package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"vklstm/model"
	"vklstm/model/judge"
	"vklstm/model/vulkan"
	"vklstm/train/device"
)

// selftestCommand judges the machine's devices by Keras's numbers.
func selftestCommand() *cobra.Command {
	var deviceName, folder, path string
	c := &cobra.Command{
		Use:   "selftest",
		Short: "Judge the kernels on this machine's devices by numbers that Keras computed",
		Long: `Judge the kernels on this machine's devices by numbers that Keras computed.

Each case runs through the float64 reference, the CPU engine and the device, in training and prediction; the table
gives the worst error of each quantity, where it is, and the tolerance. A GPU is judged on each of its paths through
the network and in mixed precision, or in float32 on the one that --path names. Exit status 1 when anything fails. Put
the output into a bug report.`,
		RunE: func(c *cobra.Command, _ []string) error {
			set := judge.Embedded()
			if folder != "" {
				var err error
				if set, err = judge.Open(folder); err != nil {
					return err
				}
			}
			if err := checkPath(path); err != nil {
				return err
			}
			judges, err := judgesFor(deviceName, path)
			if err != nil {
				return err
			}
			w := &checkedWriter{w: os.Stdout}
			if err := selftest(c.Context(), w, set, judges); err != nil {
				return err
			}
			return w.err
		},
	}
	f := c.Flags()
	f.StringVar(&deviceName, "device", "auto", "auto, cpu, an index or a name as 'vklstm devices' lists them, or all")
	f.StringVar(&path, "path", device.PathAuto, "a GPU's way through the network: general or resident; auto judges both, and mixed precision")
	f.StringVar(&folder, "golden", "", "`folder` with manifest.json and its cases, in place of the small set inside the program")
	f.SortFlags = false
	return c
}

// judge is one thing that is judged: it runs a case and returns its rows.
type candidate struct {
	name string
	// open returns a line that says what is judged, how to run a case, and how to close it.
	open func() (string, func(*judge.Case) []judge.Row, func(), error)
	own  bool // also run the cases whose truth is the reference
}

// judgesFor returns the reference, the CPU engine and the devices that want names, each on the path or on both.
func judgesFor(want, path string) ([]candidate, error) {
	list := []candidate{
		{name: "reference", open: func() (string, func(*judge.Case) []judge.Row, func(), error) {
			return "reference: float64 on gonum", (*judge.Case).CheckReference, func() {}, nil
		}},
		engineJudge("cpu", device.PathAuto, device.PrecisionFloat32),
	}
	switch strings.ToLower(want) {
	case "cpu":
		return list, nil
	case "auto":
		infos, err := vulkan.Devices()
		if err == nil {
			if d, _, err := vulkan.Choose(infos, "auto"); err == nil {
				return append(list, pathJudges(strconv.Itoa(d.Index), path)...), nil
			}
		}
		fmt.Fprintln(os.Stderr, "no GPU with a Vulkan driver: the reference and the CPU engine are judged; --device all takes software drivers too")
		return list, nil
	case "all":
		infos, err := vulkan.Devices()
		if err != nil && !errors.Is(err, vulkan.ErrNoVulkan) {
			return nil, err
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%v: the reference and the CPU engine are judged\n", err)
		}
		for _, d := range infos {
			if d.Problem != "" {
				fmt.Fprintf(os.Stderr, "device %d, %s, is left out: %s\n", d.Index, d.Name, d.Problem)
				continue
			}
			list = append(list, pathJudges(strconv.Itoa(d.Index), path)...)
		}
		return list, nil
	}
	infos, err := vulkan.Devices()
	if err == nil {
		_, _, err = vulkan.Choose(infos, want)
	}
	if err != nil {
		return nil, fmt.Errorf("device %q: %w", want, err)
	}
	return append(list, pathJudges(want, path)...), nil
}

// pathJudges judges a GPU on one path, or with device.PathAuto on both and in mixed precision.
func pathJudges(deviceName, path string) []candidate {
	if path != device.PathAuto {
		return []candidate{engineJudge(deviceName, path, device.PrecisionFloat32)}
	}
	return []candidate{
		engineJudge(deviceName, device.PathGeneral, device.PrecisionFloat32), engineJudge(deviceName, device.PathResident, device.PrecisionFloat32),
		engineJudge(deviceName, device.PathGeneral, device.PrecisionMixed),
	}
}

// engineJudge judges the engine of a device. A shape that the device cannot take on the path is no failure.
func engineJudge(deviceName, path, precision string) candidate {
	name := deviceName
	if path != device.PathAuto {
		name += ", " + path + " path"
	}
	judged := (*judge.Case).CheckEngine
	if precision == device.PrecisionMixed {
		name += ", mixed precision"
		judged = (*judge.Case).CheckEngineMixed
	}
	return candidate{name: name, own: true, open: func() (string, func(*judge.Case) []judge.Row, func(), error) {
		d, err := device.Open(deviceName)
		if err != nil {
			return "", nil, nil, err
		}
		for _, err := range []error{d.SetPath(path), d.SetPrecision(precision)} {
			if err != nil {
				d.Close()
				return "", nil, nil, err
			}
		}
		name := d.String()
		if path != device.PathAuto {
			name += " · " + path + " path"
		}
		if precision == device.PrecisionMixed {
			name += " · mixed precision"
		}
		check := func(c *judge.Case) []judge.Row {
			var cannot error
			rows := judged(c, func(spec model.Spec, o []model.Options) (model.Engine, error) {
				e, err := d.NewEngine(spec, o)
				if errors.Is(err, vulkan.ErrPath) {
					cannot = err
				}
				return e, err
			})
			if cannot != nil {
				return []judge.Row{{Case: c.Name, NotOurs: strings.TrimPrefix(cannot.Error(), "vulkan: ")}}
			}
			return rows
		}
		return name, check, func() { d.Close() }, nil
	}}
}

// selftest runs every case through every judge and writes one table each, and a last line. It returns errFailed when
// anything failed.
func selftest(ctx context.Context, w io.Writer, set *judge.Set, judges []candidate) error {
	fmt.Fprintf(w, "%d cases that Keras %s (TensorFlow %s) computed, and %d of this program's own\n", len(set.Cases), set.Keras, set.TensorFlow, len(judge.Own()))
	passed, failed, notOurs := 0, 0, 0
	var failures []string
	for _, j := range judges {
		name, check, done, err := j.open()
		if err != nil {
			fmt.Fprintf(w, "\n%s: FAILED: %v\n", j.name, err)
			failures = append(failures, fmt.Sprintf("%s: %v", j.name, err))
			failed++
			continue
		}
		cases := set.Cases
		if j.own {
			cases = append(cases[:len(cases):len(cases)], judge.Own()...)
		}
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.SetColumnConfigs([]table.ColumnConfig{{Number: 6, WidthMax: 34}})
		t.AppendHeader(table.Row{"case", "what", "worst error", "at", "tolerance", "verdict"})
		for _, c := range cases {
			if err := ctx.Err(); err != nil {
				done()
				return err
			}
			for _, r := range check(c) {
				switch {
				case r.NotOurs != "":
					notOurs++
					why := strings.TrimPrefix(r.NotOurs, "not ours: ")
					t.AppendRow(table.Row{r.Case, "", "", "", "", "not ours: " + why})
				case r.Err != nil:
					failed++
					failures = append(failures, fmt.Sprintf("%s: %v", j.name, r))
					t.AppendRow(table.Row{r.Case, "", "", "", "", "FAILED: " + r.Err.Error()})
				default:
					verdict := "ok"
					passed++
					if !r.Pass {
						verdict = "FAILED"
						passed--
						failed++
						failures = append(failures, fmt.Sprintf("%s: %v", j.name, r))
					}
					t.AppendRow(table.Row{r.Case, r.What, fmt.Sprintf("%.2e", r.Error), r.Index, fmt.Sprintf("%.2e", r.Tolerance), verdict})
				}
			}
		}
		done()
		fmt.Fprintf(w, "\n%s\n%s\n", name, t.Render())
	}
	if len(failures) > 0 {
		fmt.Fprintf(w, "\nfailed:\n  %s\n", strings.Join(failures, "\n  "))
	}
	fmt.Fprintf(w, "\n%d passed, %d failed, %d not ours\n", passed, failed, notOurs)
	if failed > 0 {
		return errFailed
	}
	return nil
}
