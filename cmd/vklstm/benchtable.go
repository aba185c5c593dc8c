package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"vklstm/train/bench"
	"vklstm/train/report"
)

// device says what is measured.
func (b *benchOutput) device(name, why string, load float64) {
	if !b.forPeople() {
		return
	}
	fmt.Fprintf(b.w, "%s\n%s\n", name, why)
	if load > 0 {
		fmt.Fprintf(b.w, "load average before: %.2f\n", load)
	}
}

// peak says what rooflines are taken from.
func (b *benchOutput) peak(p bench.Peak) {
	if !b.forPeople() || p.About == "" {
		return
	}
	text := "peak:"
	if p.GFLOPS > 0 {
		text += fmt.Sprintf(" %s GFLOP/s,", number(p.GFLOPS))
	}
	if p.GBs > 0 {
		text += fmt.Sprintf(" %s GB/s,", number(p.GBs))
	}
	fmt.Fprintf(b.w, "\n%s %s\n", text, p.About)
}

// doing shows on a terminal what takes a while.
func (b *benchOutput) doing(what string) {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s …", what)
	}
}

// done removes what doing wrote.
func (b *benchOutput) done() {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}

// rows writes a group. Columns that no row fills are left out.
func (b *benchOutput) rows(title string, rows []bench.Row, p bench.Peak) {
	b.done()
	for _, r := range rows {
		b.line(jsonRow(r, p))
	}
	if !b.forPeople() || len(rows) == 0 {
		return
	}
	var counted, walled, device, rated, roofed bool
	for _, r := range rows {
		counted, walled, device = counted || r.Count > 0, walled || r.Wall > 0, device || r.Device > 0
		rated = rated || r.Flop > 0 || r.Bytes > 0
		_, bound := r.Roofline(p)
		roofed = roofed || bound != ""
	}
	fmt.Fprintf(b.w, "\n%s\n", title)
	t := report.NewTable()
	header := table.Row{rows[0].Group}
	add := func(wanted bool, name string) {
		if wanted {
			header = append(header, name)
		}
	}
	add(counted, "a step")
	add(walled || !device, "wall")
	add(device, "device")
	add(rated, "rate")
	add(roofed, "roofline")
	t.AppendHeader(header)
	var right []table.ColumnConfig
	for i := 2; i <= len(header); i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	var left []string
	for _, r := range rows {
		row := table.Row{r.Name}
		cell := func(wanted bool, s string) {
			if wanted {
				row = append(row, s)
			}
		}
		if r.Skipped != "" {
			t.AppendRow(table.Row{r.Name, "left out"})
			left = append(left, r.Name+" "+r.Skipped)
			continue
		}
		count := ""
		if r.Count > 0 {
			count = fmt.Sprintf("%d ×", r.Count)
		}
		cell(counted, count)
		cell(walled || !device, duration(r.Wall))
		cell(device, duration(r.Device))
		cell(rated, rateText(r))
		roof := ""
		if share, bound := r.Roofline(p); bound != "" {
			roof = fmt.Sprintf("%.3g %% %s", 100*share, bound)
		}
		cell(roofed, roof)
		t.AppendRow(row)
	}
	fmt.Fprintf(b.w, "%s\n", t.Render())
	if len(left) > 0 {
		fmt.Fprintf(b.w, "left out (--budget raises the limit): %s\n", strings.Join(left, "; "))
	}
}

// note writes a line below a table.
func (b *benchOutput) note(text string) {
	if b.forPeople() {
		fmt.Fprintln(b.w, text)
	}
}

// explanation writes what was counted.
func (b *benchOutput) explanation(e bench.Explanation) {
	w := e.Workload
	b.line(struct {
		Bench    string              `json:"bench"`
		GPU      string              `json:"gpu"`
		Engine   string              `json:"engine"`
		Shape    bench.Shape         `json:"shape"`
		Kernels  []bench.KernelCount `json:"kernels"`
		Total    bench.KernelCount   `json:"total"`
		Barriers float64             `json:"barriers"`
		Overhead float64             `json:"assumed_barrier_us"`
		Memory   uint64              `json:"device_bytes"`
	}{"explain", e.GPU.Name, e.Engine, bench.Shape{Batch: w.Batch, Time: w.Time, Features: w.Features, Units: w.Units, Windows: w.Windows},
		e.Kernels, e.Total, e.Barriers, micro(e.Overhead()), e.Memory})
	if !b.forPeople() {
		return
	}
	fmt.Fprintf(b.w, "%s\n%.3g TFLOP/s, %s GB/s, %d multiprocessors, %s\n", e.Engine, e.GPU.TFLOPS, number(e.GPU.GBs), e.GPU.Processors, e.GPU.Source)
	t := report.NewTable()
	t.AppendHeader(table.Row{"kernel", "dispatches", "MFLOP", "MB", "at least", "bound"})
	var right []table.ColumnConfig
	for i := 2; i <= 6; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	row := func(k bench.KernelCount) {
		t.AppendRow(table.Row{k.Kernel, fmt.Sprintf("%g", k.Dispatches), number(k.Flop / 1e6), number(k.Bytes / 1e6), duration(k.Least), k.Bound})
	}
	for _, k := range e.Kernels {
		row(k)
	}
	t.AppendSeparator()
	row(e.Total)
	fmt.Fprintf(b.w, "\nOne training step, %s: counted, not measured\n%s\n", w.Name(), t.Render())
	fmt.Fprintf(b.w, "%g barriers, %g copies and fills; %.1f MB of device memory\n", e.Barriers, e.Copies, float64(e.Memory)/1e6)
	fmt.Fprintf(b.w, "If a barrier costs %v, which is assumed, those take %s; the roofline alone allows %s,\nwith every byte from memory, as if no cache held it.\n",
		bench.BarrierCost, duration(e.Overhead()), duration(e.Total.Least))
	fmt.Fprintf(b.w, "The %d steps of a window follow one another, forward and back; their latency is in neither.\n", w.Time)
}

// rateText is the rate that says more: of the bytes where both are counted and there are few operations for each.
func rateText(r bench.Row) string {
	const many = 4 // operations for a byte: GPUs can do ten and more
	switch {
	case r.Flop > 0 && r.Flop >= many*r.Bytes:
		return number(r.GFLOPS()) + " GFLOP/s"
	case r.Bytes > 0:
		return number(r.GBs()) + " GB/s"
	}
	return ""
}

// jsonRow is a row for programs.
func jsonRow(r bench.Row, p bench.Peak) any {
	share, bound := r.Roofline(p)
	return struct {
		Bench   string  `json:"bench"`
		Name    string  `json:"name"`
		WallUS  float64 `json:"wall_us,omitempty"`
		Device  float64 `json:"device_us,omitempty"`
		Count   int     `json:"per_step,omitempty"`
		GFLOPS  float64 `json:"gflops,omitempty"`
		GBs     float64 `json:"gbs,omitempty"`
		Share   float64 `json:"roofline_share,omitempty"`
		Bound   string  `json:"roofline_bound,omitempty"`
		Skipped string  `json:"skipped,omitempty"`
	}{r.Group, r.Name, micro(r.Wall), micro(r.Device), r.Count, r.GFLOPS(), r.GBs(), share, bound, r.Skipped}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// duration writes a time with three digits in its unit; nothing for 0.
func duration(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return seconds(d.Seconds())
}

// seconds writes a number of seconds with three digits in its unit.
func seconds(s float64) string {
	switch {
	case s >= 0.9995:
		return number(s) + " s"
	case s >= 0.9995e-3:
		return number(s*1e3) + " ms"
	case s >= 0.9995e-6:
		return number(s*1e6) + " µs"
	}
	return number(s*1e9) + " ns"
}

// number writes three digits, and whole numbers beyond.
func number(x float64) string {
	switch {
	case x >= 99.95:
		return humanize.Comma(int64(int(x + 0.5)))
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// epoch writes the results of one shape, and beside them the peers'. runs is how many results ours is the median of.
func (b *benchOutput) epoch(r bench.Result, runs int, peers []bench.Comparison) {
	b.done()
	b.line(struct {
		bench.Result
		Runs  int                `json:"runs,omitempty"`
		Peers []bench.Comparison `json:"peers,omitempty"`
	}{r, map[bool]int{true: runs}[runs > 1], peers})
	if !b.forPeople() {
		return
	}
	s := r.Shape
	where := r.Device
	if r.Threads > 0 {
		where = fmt.Sprintf("%d threads, %s", r.Threads, where)
	}
	fmt.Fprintf(b.w, "\nEpoch of %s windows of %d × %d, batch %d, %d units, mask %s\n%s\n", humanize.Comma(int64(s.Windows)), s.Time, s.Features, s.Batch, s.Units, r.Mask, where)
	t := report.NewTable()
	t.AppendHeader(table.Row{"", "epoch (least–most)", "a step", "1 window", "1,000"})
	var right []table.ColumnConfig
	for i := 2; i <= 5; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	line := func(name string, r bench.Result) {
		cell := func(v float64) string {
			if v <= 0 {
				return ""
			}
			return seconds(v)
		}
		epoch := ""
		if r.EpochS.Median > 0 {
			epoch = fmt.Sprintf("%s (%.3g–%.3g)", seconds(r.EpochS.Median), r.EpochS.Min, r.EpochS.Max)
		}
		t.AppendRow(table.Row{name, epoch, cell(r.StepUS / 1e6), cell(r.Infer1US / 1e6), cell(r.Infer1000US / 1e6)})
	}
	times := func(x float64) string {
		if x <= 0 {
			return ""
		}
		return number(x) + " ×"
	}
	line(ourName+runsText(runs), r)
	t.AppendSeparator()
	for _, p := range peers {
		name := p.Peer + short(p.Note) + runsText(p.Runs)
		if p.Fastest {
			name = "*" + name
		}
		line(name, p.Result)
		t.AppendRow(table.Row{"  by ours", times(p.EpochRatio), times(p.StepRatio), times(p.Infer1Ratio), times(p.Infer1000Ratio)})
	}
	fmt.Fprintf(b.w, "%s\n", t.Render())
	if len(peers) > 0 {
		fmt.Fprintln(b.w, "* the fastest peer by its epoch; ×n: the median of n runs, and their least and most")
		others := map[string]bool{}
		for _, p := range peers {
			if p.Device != r.Device && !others[p.Device] {
				others[p.Device] = true
				fmt.Fprintf(b.w, "figures of another machine, %s, are among the peers': those ratios compare machines too\n", p.Device)
			}
		}
	}
	gpu := ""
	if r.EpochGPU > 0 {
		gpu = fmt.Sprintf("; device time %s", seconds(r.EpochGPU))
	}
	share := ""
	if r.PeakShare > 0 {
		share = fmt.Sprintf(", %.3g %% of the peak", 100*r.PeakShare)
	}
	t2 := r.EpochS.Median
	if r.EpochGPU > 0 {
		t2 = r.EpochGPU
	}
	fmt.Fprintf(b.w, "%s\nepoch: %s GFLOP/s%s%s; check %.6f at dropout %v\nfirst step done %s after the start; peak memory %d MB\n",
		r.Note, number(r.EpochFlop/1e9/t2), share, gpu, r.Check, r.Dropout, seconds(r.StartS), r.RSSMB)
}

// runsText says of how many runs a result is the median.
func runsText(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" ×%d", n)
}

// short is what the peers' script notes of a way to run one, where that has a name.
func short(note string) string {
	for _, v := range [][2]string{{"packed", "packed"}, {"gather", "gather"}, {"no Masking layer", "bare"}, {"jit_compile=False", "no jit"}} {
		if strings.Contains(note, v[0]) {
			return " " + v[1]
		}
	}
	return ""
}
