package enginetest

import (
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/model"
)

// padded returns the windows with T steps for each of w's t: step i of w goes to place[i], the others are filled.
func padded(w model.Windows, t, f, T int, place []int, fill float32) model.Windows {
	out := model.Windows{Y: w.Y, X: make([]float32, len(w.Y)*T*f)}
	for i := range out.X {
		out.X[i] = fill
	}
	for n := range w.Y {
		for i := range t {
			copy(out.X[(n*T+place[i])*f:], w.X[(n*t+i)*f:(n*t+i+1)*f])
		}
	}
	return out
}

// maskedSteps trains on the same windows without masked steps and with them in every place: nothing may change.
func (s suite) maskedSteps(t *testing.T) {
	const T, F, n = 5, 3, 7
	w := windows(rand.New(rand.NewPCG(15, 16)), n, T, F, false)
	p := plan(count(n), n, 0.3)
	p.Eval = count(n)
	bare := one(model.Classifier(T, F, 11, 0.3, 6), sgd(), w, p)
	right := s.judge(t, bare)
	e := s.engine(t, bare.spec, bare.opts, w, bare.start)
	want := only(t, e, p)
	for _, tc := range []struct {
		name  string
		T     int
		place []int
		fill  float32
	}{
		{"none", T, []int{0, 1, 2, 3, 4}, 0},
		{"left padding", 9, []int{4, 5, 6, 7, 8}, 0},
		{"appended padding", 9, []int{0, 1, 2, 3, 4}, 0},
		{"holes", 11, []int{0, 2, 5, 6, 10}, 0},
		{"holes and both paddings", 13, []int{1, 3, 4, 8, 9}, 0},
		{"missing", 11, []int{1, 2, 5, 6, 9}, nan},
		{"negative zero", 11, []int{1, 2, 5, 6, 9}, float32(math.Copysign(0, -1))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := bare
			c.spec = model.Classifier(tc.T, F, 11, 0.3, 6)
			c.windows = padded(w, T, F, tc.T, tc.place, tc.fill)
			right.check(t, c.engine(t, s))
			got := only(t, s.engine(t, c.spec, c.opts, c.windows, c.start), p)
			s.equal(t, "probability", got.Probability, want.Probability)
		})
	}
}

// fullyMasked trains on windows without a valid step: h = 0, the rest of the network goes on as ever, and nothing flows
// back into the LSTM.
func (s suite) fullyMasked(t *testing.T) {
	const T, F, H, D = 6, 3, 9, 5
	spec := model.Classifier(T, F, H, 0, D)
	w := model.Windows{X: make([]float32, 5*T*F), Y: []float32{1, 0, 0, 1, 1}}
	for i := range w.X {
		if i%3 == 0 {
			w.X[i] = nan
		}
	}
	p := plan(count(5), 5, 0.1)
	p.Eval = count(5)
	c := one(spec, sgd(), w, p)
	s.compare(t, c)

	e := s.engine(t, spec, c.opts, w, c.start)
	g, out := gradient(t, e, 0, p)
	l := spec.Layout()
	for _, i := range []int{model.Kernel, model.RecurrentKernel, model.Bias, model.DenseKernel} {
		for j, d := range l.Variables[i].Of(g) {
			if d != 0 {
				t.Errorf("gradient %s[%d] of windows that are masked whole is %v", l.Variables[i].Name, j, d)
				break
			}
		}
	}
	logit := float64(l.Variables[model.OutputBias].Of(c.start[0].Params)[0])
	for i, b := range l.Variables[model.DenseBias].Of(c.start[0].Params) {
		logit += math.Max(float64(b), 0) * float64(l.Variables[model.OutputKernel].Of(c.start[0].Params)[i])
	}
	want := 1 / (1 + math.Exp(-logit))
	for i, got := range out.Probability {
		if math.Abs(float64(got)-want) > 1e-6 { // a sum of 5 terms and a sigmoid
			t.Errorf("probability of window %d, masked whole, is %v, want %v", i, got, want)
		}
	}

	// Beside others, such a window changes nothing but their number, which divides the gradient.
	t.Run("beside others", func(t *testing.T) {
		few := windows(rand.New(rand.NewPCG(17, 18)), 4, T, F, false)
		more := model.Windows{X: append(append([]float32(nil), few.X...), w.X...), Y: append(append([]float32(nil), few.Y...), w.Y...)}
		a, oa := gradient(t, s.engine(t, spec, c.opts, few, c.start), 0, plan(count(4), 4, 0.1))
		b, ob := gradient(t, s.engine(t, spec, c.opts, more, c.start), 0, plan(count(8), 8, 0.1))
		s.equal(t, "probability", ob.Probability[:4], oa.Probability)
		for _, i := range []int{model.Kernel, model.RecurrentKernel, model.Bias} {
			va, vb := l.Variables[i].Of(a), l.Variables[i].Of(b)
			for j := range va { // halving is exact
				if va[j]/2 != vb[j] && math.Abs(float64(va[j]/2-vb[j])) > 1e-6*math.Abs(float64(va[j]))+1e-9 {
					t.Fatalf("gradient %s[%d] is %v with 4 windows and %v with 4 masked ones more; want half", l.Variables[i].Name, j, va[j], vb[j])
				}
			}
		}
	})
}

// orderOfRows permutes a batch: each window's results must stay, and the gradient but for rounding.
func (s suite) orderOfRows(t *testing.T) {
	const n = 21
	rng := rand.New(rand.NewPCG(19, 20))
	w := windows(rng, n, 6, 4, true)
	p := plan(count(n), n, 0.1)
	p.Weight = weights(rng, n)
	c := one(model.Classifier(6, 4, 13, 0, 7), sgd(), w, p) // without dropout, which goes by rows
	right := s.judge(t, c)
	_, want := gradient(t, s.engine(t, c.spec, c.opts, w, c.start), 0, p)
	for range 3 {
		perm := shuffled(rng, n)
		q := p
		q.Train, q.Weight = perm, make([]float32, n)
		for i, j := range perm {
			q.Weight[i] = p.Weight[j]
		}
		g, out := gradient(t, s.engine(t, c.spec, c.opts, w, c.start), 0, q)
		back, loss := make([]float32, n), make([]float32, n)
		for i, j := range perm {
			back[j], loss[j] = out.Probability[i], out.Loss[i]
		}
		s.equal(t, "probability", back, want.Probability)
		s.equal(t, "loss", loss, want.Loss)
		var got quantities
		got.variables("model 0 gradient", c.spec.Layout(), wide(g))
		truth{exact: right.exact.some(got.names), tolerance: right.tolerance}.check(t, &got)
	}
}

// some returns the quantities with these names.
func (q *quantities) some(names []string) *quantities {
	return &quantities{names: names, values: q.values}
}
