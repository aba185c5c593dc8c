package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vklstm/train/bench"
	"vklstm/train/device"
	"vklstm/train/files"
)

// benchGroups are what --only names, in the order in which they are measured: epoch first, since it tells the time from the start and the memory.
var benchGroups = []string{"epoch", "step", "predict", "latency", "kernels", "dispatch", "load", "start"}

// benchOptions are the flags of bench.
type benchOptions struct {
	device      string
	only        []string
	w           bench.Workload
	threads     int
	precision   string
	path        string
	budget      time.Duration
	json        string
	peers       string
	results     string
	gflops, gbs float64
	explain     bool
	gpu         string
	latency     bool
	model       string // of latency; "": one without training
	python      string // an interpreter with other runtimes
	firstStep   string // a file: what "start" runs of this program
}

// benchCommand measures this machine.
func benchCommand() *cobra.Command {
	o := benchOptions{w: bench.Workload{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 1000, Mask: bench.MaskNone, Dropout: 0.3}}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure kernels, training, prediction and loading, beside other programs if their figures are given",
		Long: `Measure kernels, training, prediction and loading, beside other programs if their figures are given.

"epoch" does the work of peers.py, from the same data and initial weights, drawn by numpy's generator: the median of
five epochs of --windows windows after two that warm up, a step on one batch, predictions of 1 and of 1,000 windows.
With --dropout 0 its check is the peers' (Keras's; the others differ from it by some 0.0003, where Adam adds epsilon).

"roofline" is the least time that the device's peak allows, as a share of the time measured, and what bounds it.
The peak of this machine's cores and memory is measured; that of a GPU comes from a list, or from the flags.

--explain records the same step for a GPU that need not be there and counts dispatches, barriers, operations and bytes
against that GPU's roofline. Nothing is measured then.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.latency {
				if len(o.only) > 0 {
					return usagef("--latency is --only latency; give one")
				}
				o.only = []string{"latency"}
			}
			switch {
			case o.explain && c.Flags().Changed("device"):
				return usagef("--explain counts for a GPU that need not be there and uses no device; name the GPU with --gpu, without --device")
			case !o.explain && c.Flags().Changed("gpu"):
				return usagef("--gpu names the GPU that --explain counts for; add --explain, or measure on a device with --device")
			}
			return o.run(c.Context())
		},
	}
	f := c.Flags()
	deviceFlag(f, &o.device)
	f.StringSliceVar(&o.only, "only", nil, "measure only these: "+strings.Join(benchGroups, ", "))
	f.IntVar(&o.w.Batch, "batch", o.w.Batch, "epoch: windows in a training step")
	f.IntVar(&o.w.Time, "time", o.w.Time, "epoch, predict: steps of a window")
	f.IntVar(&o.w.Features, "features", o.w.Features, "epoch, predict: features of a step")
	f.IntVar(&o.w.Units, "units", o.w.Units, "epoch, predict: units of the LSTM")
	f.IntVar(&o.w.Dense, "dense", o.w.Dense, "epoch, predict: units of the dense layer")
	f.IntVar(&o.w.Windows, "windows", o.w.Windows, "epoch: windows to train on")
	f.StringVar(&o.w.Mask, "mask", o.w.Mask, "epoch: masked steps: none, right (windows of half to full length), holes (each step with probability 1/4)")
	f.Float64Var(&o.w.Dropout, "dropout", o.w.Dropout, "share of LSTM outputs dropped in training")
	f.StringVar(&o.precision, "precision", device.PrecisionFloat32, "float32, or mixed: on a GPU the recurrent products are taken of float16 and added up in float32")
	f.StringVar(&o.path, "path", device.PathAuto, "a GPU's way through the network: auto, general, or resident (a window in one dispatch, weights in registers)")
	f.IntVar(&o.threads, "threads", 0, "cores of the CPU that the program keeps to; 0: all")
	f.DurationVar(&o.budget, "budget", 20*time.Second, "leave out a step that would take longer; 0: leave out none")
	f.StringVar(&o.json, "json", "", "write the results to this `file`, one JSON object a line; - is standard output, in place of the tables")
	f.StringVar(&o.peers, "peers", "", "`file` of lines that peers.py printed: compare the epoch with those of the same shape, mask and threads")
	f.StringVar(&o.results, "results", "", "measure nothing; compare the lines of this `file`, which peers.py and bench --only epoch --json - printed")
	f.BoolVar(&o.latency, "latency", false, "measure only one window's latency, at the 50th, 95th and 99th percentile")
	f.StringVar(&o.model, "model", "", "latency: model `file`; without it an untrained network of --units")
	f.StringVar(&o.python, "python", pythonFromEnvironment(), "latency: `interpreter` with onnxruntime and ai-edge-litert, which run the exported model in the same turns")
	f.BoolVar(&o.explain, "explain", false, "measure nothing; count what a training step hands to a GPU, which need not be there")
	f.StringVar(&o.gpu, "gpu", "H100", "explain: which GPU: "+gpuNames())
	f.StringVar(&o.firstStep, "first-step", "", "train on this file until the first step has ended, and print when what was reached")
	f.Lookup("first-step").Hidden = true
	f.Float64Var(&o.gflops, "peak-gflops", 0, "float32 peak of the device in GFLOP/s, for the roofline")
	f.Float64Var(&o.gbs, "peak-gbs", 0, "memory bandwidth of the device in GB/s, for the roofline")
	f.SortFlags = false
	return c
}

// maxPeak bounds what --peak-gflops and --peak-gbs may say: no infinity, which JSON cannot hold.
const maxPeak = 1e12

// check returns a usage error for flags that do not fit.
func (o *benchOptions) check() error {
	for _, name := range o.only {
		if !slices.Contains(benchGroups, name) {
			return usagef("--only %q: it must be one of %s", name, strings.Join(benchGroups, ", "))
		}
	}
	switch {
	case o.threads < 0 || o.threads > bench.MaxThreads:
		return usagef("--threads %d: it must be at least 1 and at most %d, or 0 for all", o.threads, bench.MaxThreads)
	case o.budget < 0:
		return usagef("--budget %v: it must not be negative", o.budget)
	case !(o.gflops >= 0 && o.gflops <= maxPeak && o.gbs >= 0 && o.gbs <= maxPeak): // NaN is neither
		return usagef("--peak-gflops and --peak-gbs must be at least 0 and at most %.0g", maxPeak)
	case o.peers != "" && o.results != "":
		return usagef("--peers measures and compares, --results only compares; give one")
	}
	for _, err := range []error{checkPath(o.path), checkPrecision(o.precision)} {
		if err != nil {
			return err
		}
	}
	if _, ok := bench.FindGPU(o.gpu); !ok {
		return usagef("--gpu %q: it must be one of %s", o.gpu, gpuNames())
	}
	if err := o.w.Check(); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// wants reports whether a group is to be measured.
func (o *benchOptions) wants(group string) bool {
	return len(o.only) == 0 || slices.Contains(o.only, group)
}

func (o *benchOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.json != "" && o.json != "-" {
		if err := files.CheckWritable(o.json); err != nil {
			return err
		}
	}
	if o.firstStep != "" {
		p, err := bench.FirstStep(ctx, o.device, o.firstStep, o.threads, bench.ProcessStart(started), started)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(p)
	}
	out := &benchOutput{w: &checkedWriter{w: os.Stdout}, toJSON: o.json}
	var err error
	switch {
	case o.explain:
		err = o.explainOnly(ctx, out)
	case o.results != "":
		err = o.compareOnly(out)
	default:
		err = o.measure(ctx, out)
	}
	if err != nil {
		return err // and the file of --json stays as it was
	}
	return out.close()
}

// measure measures what is wanted.
func (o *benchOptions) measure(ctx context.Context, out *benchOutput) error {
	var peers []bench.Result
	if o.peers != "" {
		var err error
		if peers, err = readPeers(o.peers); err != nil {
			return err
		}
	}
	load := bench.LoadAverage()
	if _, err := bench.LimitThreads(o.threads); err != nil {
		return err
	}
	d, err := device.Open(o.device)
	if err != nil {
		return err
	}
	defer d.Close()
	d.Threads = o.threads
	if err := o.prepare(d); err != nil {
		return err
	}
	m := &measurement{benchOptions: o, d: d, out: out, load: load}
	out.device(m.deviceName(), m.d.String(), m.load)
	for _, group := range benchGroups {
		if !o.wants(group) {
			continue
		}
		if err := m.group(ctx, group, peers); err != nil {
			return err
		}
	}
	return nil
}

// gpuNames lists the GPUs that --gpu takes.
func gpuNames() string {
	var names []string
	for _, g := range bench.GPUs() {
		names = append(names, g.Name)
	}
	return strings.Join(names, ", ")
}

// explainOnly counts a training step on a GPU that need not be there.
func (o *benchOptions) explainOnly(ctx context.Context, out *benchOutput) error {
	g, _ := bench.FindGPU(o.gpu)
	if o.gflops > 0 {
		g.TFLOPS = o.gflops / 1000
	}
	if o.gbs > 0 {
		g.GBs = o.gbs
	}
	w := o.w
	w.Windows = w.Batch
	e, err := bench.Explain(ctx, g, w, o.prepare)
	if err != nil {
		return err
	}
	out.explanation(e)
	return nil
}

// prepare sets how engines of the device compute.
func (o *benchOptions) prepare(d *device.Device) error {
	if err := d.SetPrecision(o.precision); err != nil {
		return err
	}
	return d.SetPath(o.path)
}

// readPeers reads a file of results.
func readPeers(path string) ([]bench.Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return bench.ReadPeers(bytes.NewReader(b), path)
}

// ourName is the peer's name in our results.
const ourName = "vklstm"

// compareOnly compares our results in a file with the others in it: one table for each shape, mask and number of threads.
func (o *benchOptions) compareOnly(out *benchOutput) error {
	all, err := readPeers(o.results)
	if err != nil {
		return err
	}
	type work struct {
		shape   bench.Shape
		mask    string
		threads int
		device  string
		note    string
	}
	ours := map[work][]bench.Result{}
	var order []work
	var peers []bench.Result
	for _, r := range all {
		if r.Peer != ourName {
			peers = append(peers, r)
			continue
		}
		k := work{r.Shape, r.Mask, r.Threads, r.Device, r.Note}
		if ours[k] == nil {
			order = append(order, k)
		}
		ours[k] = append(ours[k], r)
	}
	if len(order) == 0 {
		return fmt.Errorf("%s: no line of %s; add those that 'vklstm bench --only epoch --json -' prints", o.results, ourName)
	}
	for _, k := range order {
		r := bench.Merge(ours[k])
		out.epoch(r, len(ours[k]), bench.Compare(r, peers))
	}
	return nil
}

// measurement is one run of bench.
type measurement struct {
	*benchOptions
	d     *device.Device
	out   *benchOutput
	load  float64     // of the machine, before
	found *bench.Peak // nil: not looked for yet
}

// deviceName is the GPU's name, or the processor's.
func (m *measurement) deviceName() string {
	if info, ok := m.d.GPU(); ok {
		return info.Name
	}
	return bench.CPUName()
}

// peak finds, once, what rooflines are taken from: the flags' figures, else the CPU's measured ones or the list's for a
// GPU. The first caller must be done with the process's memory: measuring takes some.
func (m *measurement) peak() bench.Peak {
	if m.found != nil {
		return *m.found
	}
	p := bench.Peak{}
	if info, ok := m.d.GPU(); ok {
		if g, known := bench.FindGPU(info.Name); known {
			p = g.Peak()
		}
	} else {
		p = bench.MeasureCPU()
	}
	if m.gflops > 0 {
		p.GFLOPS, p.About = m.gflops, strings.TrimPrefix(p.About+"; operations as given", "; ")
	}
	if m.gbs > 0 {
		p.GBs, p.About = m.gbs, strings.TrimPrefix(p.About+"; bandwidth as given", "; ")
	}
	m.found = &p
	m.out.peak(p)
	return p
}

// rows writes a group with its rooflines.
func (m *measurement) rows(title string, rows []bench.Row) {
	p := m.peak()
	m.out.rows(title, rows, p)
}

// group measures one group.
func (m *measurement) group(ctx context.Context, group string, peers []bench.Result) error {
	switch group {
	case "epoch":
		r, err := bench.Run(ctx, m.d.NewEngine, m.w, bench.ProcessStart(started))
		if err != nil {
			return err
		}
		m.finish(&r)
		m.out.epoch(r, 1, bench.Compare(r, peers))
		return nil
	case "step":
		var rows []bench.Row
		pace := bench.Pace{Budget: m.budget}
		for _, w := range bench.StepShapes() {
			m.out.doing(w.Name())
			r, err := bench.Step(ctx, m.d.NewEngine, w, &pace)
			if err != nil {
				return err
			}
			rows = append(rows, r)
		}
		m.rows("Training step", rows)
	case "predict":
		var rows []bench.Row
		for _, n := range []int{1, 1024} {
			r, err := bench.Predict(ctx, m.d.NewEngine, m.w, n)
			if err != nil {
				return err
			}
			rows = append(rows, r)
		}
		m.rows("Prediction", rows)
	case "latency":
		return m.latency(ctx)
	case "kernels", "dispatch":
		v := m.d.Vulkan()
		switch {
		case v == nil && len(m.only) == 0:
			return nil // everything that this device has is measured
		case group == "kernels" && v != nil && v.Limits().TimestampPeriod == 0 && len(m.only) == 0:
			m.out.note("kernels: left out, the device has no timestamps")
			return nil
		case group == "dispatch":
			rows, err := bench.Dispatch(m.d)
			if err != nil {
				return err
			}
			m.rows("The empty dispatch", rows)
			return nil
		}
		w := m.w
		w.Windows = w.Batch
		rows, err := bench.Kernels(ctx, m.d, w)
		if err != nil {
			return err
		}
		m.rows("Kernels of a step, "+w.Name(), rows)
	case "start":
		folder, err := os.MkdirTemp("", "vklstm-bench")
		if err != nil {
			return fmt.Errorf("bench: a folder for the file to train on: %w", err)
		}
		defer os.RemoveAll(folder)
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("bench: find this program: %w", err)
		}
		arguments := func(file string) []string {
			return []string{"bench", "--first-step", file, "--device", m.device, "--threads", fmt.Sprint(m.threads)}
		}
		w := bench.Workload{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 1000, Mask: bench.MaskNone}
		rows, err := bench.Start(ctx, program, arguments, folder, w)
		if err != nil {
			return err
		}
		m.out.rows("From the start to the end of the first training step", rows, bench.Peak{})
		if info, err := os.Stat(program); err == nil {
			m.out.note(fmt.Sprintf("the program's file: %.1f MB", float64(info.Size())/1e6))
		}
		return nil
	case "load":
		folder, err := os.MkdirTemp("", "vklstm-bench")
		if err != nil {
			return fmt.Errorf("bench: a folder for the files to load: %w", err)
		}
		defer os.RemoveAll(folder)
		w := m.w
		w.Windows, w.Mask = 20000, bench.MaskNone
		rows, err := bench.Load(ctx, folder, w)
		if err != nil {
			return err
		}
		m.rows("Loading an npz", rows)
	}
	return nil
}

// finish adds what Run leaves to its caller.
func (m *measurement) finish(r *bench.Result) {
	r.Peer, r.Versions = ourName, map[string]string{ourName: version(), "go": runtime.Version()}
	r.Device, r.Load, r.RSSMB = m.deviceName(), m.load, bench.PeakMemory()>>20
	if _, gpu := m.d.GPU(); !gpu {
		r.Threads = runtime.GOMAXPROCS(0)
	}
	p := m.peak()
	if p.GFLOPS > 0 {
		t := r.EpochS.Median
		if r.EpochGPU > 0 {
			t = r.EpochGPU
		}
		r.PeakGFLOPS, r.PeakShare = p.GFLOPS, r.EpochFlop/1e9/t/p.GFLOPS
	}
}

// benchOutput writes tables for people, or lines for programs, or both.
type benchOutput struct {
	w      *checkedWriter
	toJSON string // "", "-" or a file
	lines  bytes.Buffer
}

// forPeople reports whether tables are written.
func (b *benchOutput) forPeople() bool { return b.toJSON != "-" }

// line adds a JSON object.
func (b *benchOutput) line(v any) {
	if b.toJSON == "" {
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("bench: %v", err)) // plain structs of numbers and text
	}
	if b.toJSON == "-" {
		fmt.Fprintf(b.w, "%s\n", text)
		return
	}
	b.lines.Write(append(text, '\n'))
}

// close writes the file and returns the first error of all output.
func (b *benchOutput) close() error {
	if b.w.err != nil {
		return b.w.err
	}
	if b.toJSON == "" || b.toJSON == "-" {
		return nil
	}
	return files.Write(b.toJSON, func(w io.Writer) error { _, err := w.Write(b.lines.Bytes()); return err })
}
