package enginetest

import (
	"math"
	"math/rand/v2"
	"testing"

	"vklstm/model"
	"vklstm/model/judge"
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

// maskedSteps trains on the same windows without masked steps and with them in every place: nothing may change. spec is the
// network of windows of T steps.
func (s suite) maskedSteps(t *testing.T, spec func(T int) model.Spec) {
	const T, F, n = 5, 3, 7
	w := windows(rand.New(rand.NewPCG(15, 16)), n, T, F, false)
	p := plan(count(n), n, 0.3)
	p.Eval = count(n)
	bare := one(spec(T), sgd(), w, p)
	right := s.judge(t, bare)
	e := s.engine(t, bare)
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
			c.Spec = spec(tc.T)
			c.Windows = padded(w, T, F, tc.T, tc.place, tc.fill)
			check(t, right, s.run(t, c))
			got := only(t, s.engine(t, c), p)
			s.equal(t, "probability", got.Probability, want.Probability)
		})
	}
}

// fullyMasked trains on windows without a valid step: h = 0, the rest of the network goes on as ever, and nothing flows
// back into any LSTM.
func (s suite) fullyMasked(t *testing.T, spec model.Spec) {
	T, F := spec.Timesteps, spec.Features
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

	chain, err := spec.Chain()
	if err != nil {
		t.Fatal(err)
	}
	g, out := gradient(t, s.engine(t, c), 0, p)
	variables, head := spec.Layout().Variables, chain.FirstOfHead() // which begins with dense/kernel
	for _, v := range variables[:head+1] {
		for j, d := range v.Of(g) {
			if d != 0 {
				t.Errorf("gradient %s[%d] of windows that are masked whole is %v", v.Name, j, d)
				break
			}
		}
	}
	of := func(i int) []float32 { return variables[head+i].Of(c.Start[0].Params) }
	logit := float64(of(3)[0])
	for i, b := range of(1) {
		logit += math.Max(float64(b), 0) * float64(of(2)[i])
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
		a, oa := gradient(t, s.engine(t, with(c, func(c *scenario) { c.Windows = few })), 0, plan(count(4), 4, 0.1))
		b, ob := gradient(t, s.engine(t, with(c, func(c *scenario) { c.Windows = more })), 0, plan(count(8), 8, 0.1))
		s.equal(t, "probability", ob.Probability[:4], oa.Probability)
		for _, v := range variables[:head] {
			va, vb := v.Of(a), v.Of(b)
			for j := range va { // halving is exact
				if va[j]/2 != vb[j] && math.Abs(float64(va[j]/2-vb[j])) > 1e-6*math.Abs(float64(va[j]))+1e-9 {
					t.Fatalf("gradient %s[%d] is %v with 4 windows and %v with 4 masked ones more; want half", v.Name, j, va[j], vb[j])
				}
			}
		}
		one := with(c, func(c *scenario) { c.Windows.X = append([]float32(nil), w.X...) })
		one.Windows.X[F], one.Windows.X[2*F] = 0.7, -0.4 // one window with two valid steps
		s.compare(t, one)
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
	_, want := gradient(t, s.engine(t, c), 0, p)
	for range 3 {
		perm := shuffled(rng, n)
		q := p
		q.Train, q.Weight = perm, make([]float32, n)
		for i, j := range perm {
			q.Weight[i] = p.Weight[j]
		}
		g, out := gradient(t, s.engine(t, c), 0, q)
		back, loss := make([]float32, n), make([]float32, n)
		for i, j := range perm {
			back[j], loss[j] = out.Probability[i], out.Loss[i]
		}
		s.equal(t, "probability", back, want.Probability)
		s.equal(t, "loss", loss, want.Loss)
		var got judge.Numbers
		got.Flat(judge.Gradient, c.Spec.Layout(), judge.Wide(g))
		check(t, right, &got)
	}
}
