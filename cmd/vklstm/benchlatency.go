package main

import (
	"context"
	"fmt"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vklstm/model"
	"vklstm/train/bench"
	"vklstm/train/device"
	"vklstm/train/report"
	"vklstm/train/saved"
)

// latency times one window on the CPU engine, on one thread, on this machine's device where that is another, and in the
// runtimes that --python has.
func (m *measurement) latency(ctx context.Context) error {
	spec := model.Classifier(m.w.Time, m.w.Features, m.w.Units, m.w.Dropout, m.w.Dense)
	trained := &saved.Model{Spec: spec, State: spec.Init(1)}
	if m.model != "" {
		var err error
		if trained, err = saved.Load(m.model); err != nil {
			return err
		}
	}
	cpu, err := device.Open("cpu")
	if err != nil {
		return err
	}
	defer cpu.Close()
	cpu.Threads = 1
	devices, names := []*device.Device{cpu}, []string{"vklstm, CPU engine"}
	if info, gpu := m.d.GPU(); gpu {
		devices, names = append(devices, m.d), append(names, "vklstm, "+info.Name)
	}
	var ours []bench.OneWindow
	for _, d := range devices {
		p, err := trained.Open(d.NewEngine)
		if err != nil {
			return err
		}
		defer p.Close()
		ours = append(ours, p)
	}
	list, err := bench.Latencies(ctx, trained, names, ours, m.python)
	if err != nil {
		return err
	}
	m.out.latencies(trained.Spec, list)
	if m.python == "" {
		m.out.note("--python names an interpreter with onnxruntime and ai-edge-litert to compare with")
	}
	return nil
}

// latencies writes them.
func (b *benchOutput) latencies(spec model.Spec, list []bench.Latency) {
	b.done()
	for _, l := range list {
		b.line(struct {
			Bench   string  `json:"bench"`
			Name    string  `json:"name"`
			P50     float64 `json:"p50_us"`
			P95     float64 `json:"p95_us"`
			P99     float64 `json:"p99_us"`
			Calls   int     `json:"calls"`
			Largest float64 `json:"largest_difference"`
		}{"latency", l.Name, float64(l.P50.Nanoseconds()) / 1000, float64(l.P95.Nanoseconds()) / 1000, float64(l.P99.Nanoseconds()) / 1000, l.Calls, l.Largest})
	}
	if !b.forPeople() {
		return
	}
	fmt.Fprintf(b.w, "\nOne window of %d × %d, one thread, %s calls each, in turns\n", spec.Timesteps, spec.Features, humanize.Comma(int64(list[0].Calls)))
	t := report.NewTable()
	t.AppendHeader(table.Row{"latency", "p50", "p95", "p99", "to the first", "difference"})
	for _, l := range list {
		t.AppendRow(table.Row{l.Name, duration(l.P50), duration(l.P95), duration(l.P99), fmt.Sprintf("%.2f ×", float64(l.P50)/float64(list[0].P50)), fmt.Sprintf("%.1g", l.Largest)})
	}
	var right []table.ColumnConfig
	for i := 2; i <= 6; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	fmt.Fprintf(b.w, "%s\n", t.Render())
}

// pythonFromEnvironment is what --python is where it is not given.
func pythonFromEnvironment() string { return os.Getenv("VKLSTM_PYTHON") }
