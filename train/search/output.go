package search

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"vklstm/train/metrics"
	"vklstm/train/report"
)

const (
	tableWidth = 80  // columns of a terminal
	tableRows  = 100 // trials that a table lists at most
)

// WriteTable writes the trials in order, the best first, 80 columns wide: a column for each flag that was tried, or one for
// all of them where that is too wide.
func (s *Study) WriteTable(w io.Writer, list []Ranked) error {
	shown := list[:min(len(list), tableRows)]
	lines := s.render(shown, false)
	for line := range strings.Lines(lines) {
		if text.StringWidthWithoutEscSequences(strings.TrimRight(line, "\n")) > tableWidth {
			lines = s.render(shown, true)
			break
		}
	}
	if more := len(list) - len(shown); more > 0 {
		lines += fmt.Sprintf("\nand %s more", humanize.Comma(int64(more)))
	}
	_, err := fmt.Fprintln(w, lines)
	return err
}

// render lays out the table; together puts all settings into one column.
func (s *Study) render(list []Ranked, together bool) string {
	t := report.NewTable()
	style := *t.Style()
	style.Size.WidthMax = 0 // it would cut lines; columns are broken instead
	t.SetStyle(style)
	f1 := "Val F1"
	if s.Repeats > 1 {
		f1 = fmt.Sprintf("Val F1, %d seeds", s.Repeats)
	}
	head := table.Row{"Rank", "Trial", f1, "Epochs"}
	right := text.AlignRight
	columns := []table.ColumnConfig{{Number: 1, Align: right, AlignHeader: right}, {Number: 2, Align: right, AlignHeader: right}, {Number: 4, Align: right, AlignHeader: right}}
	if together {
		head = append(head, "Settings")
		columns = append(columns, table.ColumnConfig{Number: 5, WidthMax: tableWidth - 34 - len(f1), WidthMaxEnforcer: text.WrapSoft})
	} else {
		for _, d := range s.Space {
			head = append(head, d.Name)
		}
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(columns)
	for _, r := range list {
		score := metrics.Number(r.ValF1).Text(4)
		if s.Repeats > 1 && r.SD == r.SD {
			score += fmt.Sprintf(" ± %.4f", r.SD)
		}
		least, most := r.Epochs()
		epochs := fmt.Sprint(most)
		if least < most {
			epochs = fmt.Sprintf("%d–%d", least, most)
		}
		row := table.Row{r.Rank, r.Trial, score, epochs}
		if together {
			row = append(row, settingsText(r.Settings))
		} else {
			for _, v := range r.Settings {
				row = append(row, v.Value)
			}
		}
		t.AppendRow(row)
	}
	return t.Render()
}

// trainingJSON is a training with one seed in a file.
type trainingJSON struct {
	Seed      uint32         `json:"seed"`
	Epochs    int            `json:"epochs"`
	BestEpoch int            `json:"best_epoch"` // counts from 0; −1: none
	ValF1     metrics.Number `json:"val_f1"`
	ValAUC    metrics.Number `json:"val_auc"`
	Stopped   string         `json:"stopped"` // "": it was let go at a rung
}

// trialJSON is a trial in a file.
type trialJSON struct {
	Rank      int               `json:"rank"`
	Trial     int               `json:"trial"`
	Settings  map[string]string `json:"settings"`
	ValF1     metrics.Number    `json:"val_f1"`
	SD        metrics.Number    `json:"val_f1_sd"`
	ValAUC    metrics.Number    `json:"val_auc"`
	Rung      int               `json:"rung"`
	Trainings []trainingJSON    `json:"trainings"`
}

// Best is the winner, as the file has it.
type Best struct {
	Trial   int           `json:"trial"`
	Command string        `json:"command"` // trains the same model again
	Seed    uint32        `json:"seed"`
	Test    *metrics.Test `json:"test"` // of the model of this seed, on the test part
}

// studyJSON is a search in a file.
type studyJSON struct {
	Data      string            `json:"data_sha256"`
	Flags     map[string]string `json:"flags"`
	Space     []string          `json:"space"`
	Method    string            `json:"method"`
	Seed      uint32            `json:"seed"`
	Seeds     int               `json:"seeds"`
	Rungs     []int             `json:"rungs"` // epochs
	Reduction int               `json:"reduction,omitempty"`
	Trials    []trialJSON       `json:"trials"`
	Best      Best              `json:"best"`
}

// WriteJSON writes the search and its trials, the best first. What is undefined is null. There are no times in it: the
// same search gives the same bytes.
func (s *Study) WriteJSON(w io.Writer, list []Ranked, best Best) error {
	settings := func(list []Setting) map[string]string {
		m := map[string]string{}
		for _, v := range list {
			m[v.Name] = v.Value
		}
		return m
	}
	j := studyJSON{Data: s.Data, Flags: settings(s.Flags), Method: s.Method, Seed: s.Seed, Seeds: s.Repeats, Rungs: s.Rungs(), Reduction: s.Reduction, Best: best}
	for _, d := range s.Space {
		j.Space = append(j.Space, d.String())
	}
	for _, r := range list {
		t := trialJSON{Rank: r.Rank, Trial: r.Trial, Settings: settings(r.Settings), ValF1: metrics.Number(r.ValF1), SD: metrics.Number(r.SD), ValAUC: metrics.Number(r.ValAUC), Rung: r.Rung}
		for _, v := range r.Results {
			t.Trainings = append(t.Trainings, trainingJSON{v.Seed, v.Epochs, v.BestEpoch, metrics.Number(v.ValF1), metrics.Number(v.ValAUC), string(v.Stopped)})
		}
		j.Trials = append(j.Trials, t)
	}
	b, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return fmt.Errorf("search: encode the result: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
