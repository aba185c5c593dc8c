// Package augment defines how a window becomes the network's input: which steps are masked, how values are
// scaled, and how training windows are moved (shift, magnitude, rotation; before scaling) and varied (time warp, noise,
// feature dropout; after it). Everything is float32 arithmetic of additions, products and table look-ups that Vulkan, too,
// rounds correctly, on integers drawn from package philox: the shaders mask, gather, time_warp and augment give the same bits.
//
// In a network that masks, a step is masked when each of its features equals the mask's value, 0 in most networks, or is missing
// (NaN); that is decided on the measured values, before moving and scaling. Without a mask all steps count, and a missing value is
// 0 after scaling. Afterwards only valid cells (not missing, in a step that is not masked) are
// moved, scaled and varied, and a step whose cells all go missing, by a shift or by feature dropout, is masked too.
package augment

import (
	"math"

	"vklstm/model"
	"vklstm/model/philox"
)

// Quantiles is the number of entries in Tables.Quantile.
const Quantiles = 1 << 15

// Tables are the numbers that the arithmetic looks up instead of dividing or taking logarithms, so that every
// engine rounds alike.
type Tables struct {
	Quantile   []float32 // [Quantiles], Φ⁻¹(1/2 + (i + 1/2)/65536): the upper half of the normal distribution
	Reciprocal []float32 // [Reciprocals(T, warp)], 1/i (entry 0 is 0)
	Axis       []float32 // [Axes][3], unit vectors, Axis(i)
}

// MaxTimesteps bounds the windows that can be time-warped, so that products of two positions fit 32 bits.
const MaxTimesteps = 30000

// Reciprocals returns the number of entries that Tables.Reciprocal needs for windows of T steps.
func Reciprocals(t int, warp float64) int { return int(float64(t)*(1+warp)) + 3 }

// NewTables returns the tables for windows of T steps.
func NewTables(t int, a model.Augment) Tables {
	tab := Tables{Quantile: make([]float32, Quantiles), Reciprocal: make([]float32, Reciprocals(t, a.Warp)), Axis: axisTable()}
	for i := range tab.Quantile {
		tab.Quantile[i] = float32(math.Sqrt2 * math.Erfinv((float64(i)+0.5)/Quantiles))
	}
	for i := 1; i < len(tab.Reciprocal); i++ {
		tab.Reciprocal[i] = float32(1 / float64(i))
	}
	return tab
}

// missing is what a cell without a value holds between the stages.
var missing = float32(math.NaN())

// Input prepares windows; one per goroutine.
type Input struct {
	t, f      int
	mask      bool // steps are masked, by
	maskValue float32
	scaling   model.Scaling
	augment   model.Augment
	key       [2]uint32
	tables    Tables
	angles    []float32 // AngleTable, where windows are moved
	cells     []float32 // [T][F], the window before it is moved or warped
}

// NewInput returns an Input for windows of c. The tables are those of NewTables(c.T, o.Augment); they are only read.
func NewInput(c model.Chain, o model.Options, tables Tables) *Input {
	t, f := c.T, c.F
	in := &Input{t: t, f: f, mask: c.Masked, maskValue: c.MaskValue, scaling: o.Scaling.Fill(f), augment: o.Augment, key: philox.Key(o.Seed), tables: tables,
		cells: make([]float32, t*f)}
	if o.Augment.MoveProb > 0 {
		in.angles = AngleTable(o.Augment.Rotate)
	}
	return in
}

// Augmented writes the window raw[T][F] with this number, moved, scaled and varied as epoch has it, to x[T][F], missing cells
// as NaN: a step is masked when all of its cells are missing. Where the epoch neither moves nor varies the window it
// returns false and leaves x alone.
func (in *Input) Augmented(x, raw []float32, window, epoch uint32) bool {
	m, moved := DrawMove(in.augment, in.t, in.key, window, epoch)
	chosen := in.chosen(window, epoch)
	if !moved && !chosen {
		return false
	}
	in.measured(x, raw)
	if moved {
		in.move(x, m)
	}
	in.scale(x)
	if chosen {
		in.warp(x, window, epoch)
		in.vary(x, window, epoch)
	}
	return true
}

// Window writes the network's input x[T][F] and mask[T] (true = valid) for the measured window raw[T][F]. With
// train set the window with this number is moved and varied as epoch has it.
func (in *Input) Window(x []float32, mask []bool, raw []float32, train bool, window, epoch uint32) {
	if !train || !in.Augmented(x, raw, window, epoch) {
		in.measured(x, raw)
		in.scale(x)
	}
	for t := range in.t {
		valid := false
		row := x[t*in.f : (t+1)*in.f]
		for i, v := range row {
			if v != v {
				row[i] = 0
			} else {
				valid = true
			}
		}
		mask[t] = valid || !in.mask
	}
}

// measured copies the valid cells of raw to x and makes all others missing.
func (in *Input) measured(x, raw []float32) {
	for t := range in.t {
		row, out := raw[t*in.f:(t+1)*in.f], x[t*in.f:(t+1)*in.f]
		if !in.mask || Valid(row, in.maskValue) {
			copy(out, row)
			continue
		}
		for i := range out {
			out[i] = missing
		}
	}
}

// scale scales the cells of x that are not missing.
func (in *Input) scale(x []float32) {
	for ; len(x) > 0; x = x[in.f:] {
		for i, v := range x[:in.f] {
			if v == v {
				x[i] = float32(v-in.scaling.Offset[i]) * in.scaling.Factor[i]
			} else {
				x[i] = missing // one NaN for all that a file may hold
			}
		}
	}
}

// Valid reports whether a step of measured values is used: any value that is neither maskValue, which is 0 in most networks, nor
// missing.
func Valid(step []float32, maskValue float32) bool {
	for _, v := range step {
		if v != maskValue && v == v {
			return true
		}
	}
	return false
}

// chosen reports whether the window is varied in the epoch.
func (in *Input) chosen(window, epoch uint32) bool {
	r := philox.Draw([4]uint32{0, window, epoch, philox.Augment}, in.key)
	return r[0]>>8 < philox.Below(in.augment.Prob)
}

// warp resamples every feature from T points to m = ⌊T·w⌋ and back, w uniform in 1 ± Warp, linear between the
// feature's valid cells and constant beyond the first and the last; cells that are missing stay so.
func (in *Input) warp(x []float32, window, epoch uint32) {
	T := uint32(in.t)
	r := philox.Draw([4]uint32{0, window, epoch, philox.Augment}, in.key)
	w := 1 + float32(float32(in.augment.Warp)*(2*philox.Uniform(r[1])-1))
	m := uint32(float32(float32(T) * w))
	if in.augment.Warp == 0 || T < 2 || m < 2 {
		return
	}
	copy(in.cells, x)
	for i := range in.cells {
		if x[i] == x[i] {
			x[i] = in.resampled(uint32(i)/uint32(in.f), uint32(i)%uint32(in.f), m)
		}
	}
}

// resampled returns feature f at step t after resampling to m points and back.
func (in *Input) resampled(t, f, m uint32) float32 {
	T := uint32(in.t)
	q, r := t*(m-1)/(T-1), t*(m-1)%(T-1)
	g := in.point(q, f, m)
	if r == 0 {
		return g
	}
	share := float32(r) * in.tables.Reciprocal[T-1]
	return g + float32(float32(in.point(q+1, f, m)-g)*share)
}

// point returns point j of m of feature f: the value at time j(T−1)/(m−1).
func (in *Input) point(j, f, m uint32) float32 {
	T := uint32(in.t)
	q, r := j*(T-1)/(m-1), j*(T-1)%(m-1)
	lo, hi := int(q), int(q)
	if r != 0 {
		hi++
	}
	for lo >= 0 && in.cell(lo, f) != in.cell(lo, f) {
		lo--
	}
	for hi < in.t && in.cell(hi, f) != in.cell(hi, f) {
		hi++
	}
	switch {
	case lo < 0:
		return in.cell(hi, f)
	case hi >= in.t || lo == hi:
		return in.cell(lo, f)
	}
	share := float32(float32(float32(int(q)-lo)+float32(float32(r)*in.tables.Reciprocal[m-1])) * in.tables.Reciprocal[hi-lo])
	a, b := in.cell(lo, f), in.cell(hi, f)
	return a + float32(float32(b-a)*share)
}

func (in *Input) cell(t int, f uint32) float32 { return in.cells[t*in.f+int(f)] }

// vary adds noise to the valid cells, keeps them within the scaling's bounds, and then makes a share of all cells
// missing.
func (in *Input) vary(x []float32, window, epoch uint32) {
	sigma, drop := float32(in.augment.Noise), philox.Below(in.augment.Drop)
	var noise, lost [4]uint32
	for i, v := range x {
		cell := uint32(i)
		if cell%4 == 0 {
			if sigma != 0 {
				noise = philox.Draw([4]uint32{cell / 4, window, epoch, philox.Noise}, in.key)
			}
			if drop != 0 {
				lost = philox.Draw([4]uint32{cell / 4, window, epoch, philox.FeatureDrop}, in.key)
			}
		}
		if v != v {
			continue
		}
		if sigma != 0 {
			z := in.tables.Quantile[noise[cell%4]>>16&(Quantiles-1)]
			if noise[cell%4]>>31 != 0 {
				z = -z
			}
			v += float32(sigma * z)
			f := i % in.f
			v = max(in.scaling.Low[f], min(in.scaling.High[f], v))
		}
		if lost[cell%4]>>8 < drop {
			v = missing
		}
		x[i] = v
	}
}
