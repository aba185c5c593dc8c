package train

import (
	"bytes"
	"math"
	"testing"
)

func TestWriteCSV(t *testing.T) {
	h := History{
		{Epoch: 0, Train: Scores{Loss: 0.1, Accuracy: 0.25, Precision: 1. / 3, Recall: 1, F1: 0.5, AUC: math.NaN()},
			Val: Scores{Loss: 1e-5, Accuracy: 0.75, Precision: 0, Recall: 0, F1: 0, AUC: 1}},
		{Epoch: 1, Train: Scores{Loss: math.Inf(1), Accuracy: math.NaN(), Precision: math.NaN(), Recall: math.NaN(), F1: math.NaN(), AUC: math.NaN()},
			Val: Scores{Loss: math.NaN()}},
	}
	var b bytes.Buffer
	if err := h.WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	const want = `epoch,accuracy,auc,f1,loss,precision,recall,val_accuracy,val_auc,val_f1,val_loss,val_precision,val_recall
0,0.25,,0.5,0.1,0.3333333333333333,1,0.75,1,0,1e-05,0,0
1,,,,+Inf,,,0,0,0,,0,0
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestScores(t *testing.T) {
	nan := float32(math.NaN())
	labels := []float32{9, 1, 0, 1, 0}
	one := 1.0
	s := scores(labels, []int32{1, 2, 3, 4}, []float32{0.9, 0.6, 0.5, 0.1}, []float32{1, 2, 3, 4}, 1)
	if s.Loss != 2.5 || s.Accuracy != 0.5 || s.Precision != 0.5 || s.Recall != 0.5 || s.F1 != 2*0.25*one/(one+1e-7) || s.AUC != 0.75 {
		t.Errorf("scores %+v", s)
	}
	if s = scores(labels, []int32{1, 3}, []float32{0.9, 0.2}, []float32{1, 1}, 1); !math.IsNaN(s.AUC) || s.Recall != 0.5 {
		t.Errorf("one class: %+v", s)
	}
	if s = scores(labels, []int32{1, 2}, []float32{0.9, nan}, []float32{1, 1}, 1); !math.IsNaN(s.F1) || !math.IsNaN(s.Accuracy) || s.Loss != 1 {
		t.Errorf("a probability of NaN: %+v", s)
	}
}
