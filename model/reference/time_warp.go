package reference

import "math"

// TimeWarp is time_warp.comp for one window and a time factor that makes m points of its T: each feature of x[T][F]
// is resampled from T points to m that span the same time, and back. Between points it is linear; over missing
// values (NaN) the line goes from the valid one before to the one after, and beyond the first and the last it is
// constant, as numpy.interp has it. Cells that are missing stay so. With less than 2 points on either side it is x.
func TimeWarp(x []float64, f, m int) []float64 {
	T := len(x) / f
	out := append([]float64(nil), x...)
	if T < 2 || m < 2 {
		return out
	}
	for feature := range f {
		var at, values []float64 // the valid cells
		for t := range T {
			if v := x[t*f+feature]; v == v {
				at, values = append(at, float64(t)), append(values, v)
			}
		}
		points, places := make([]float64, m), make([]float64, m)
		for j := range m {
			places[j] = float64(j)
			points[j] = interpolate(float64(j)*float64(T-1)/float64(m-1), at, values)
		}
		for t := range T {
			if x[t*f+feature] == x[t*f+feature] {
				out[t*f+feature] = interpolate(float64(t)*float64(m-1)/float64(T-1), places, points)
			}
		}
	}
	return out
}

// interpolate returns the value at time t of the line through (at, values); at ascends.
func interpolate(t float64, at, values []float64) float64 {
	if len(at) == 0 {
		return math.NaN()
	}
	if t <= at[0] {
		return values[0]
	}
	for i := 1; i < len(at); i++ {
		if t <= at[i] {
			return values[i-1] + (values[i]-values[i-1])*(t-at[i-1])/(at[i]-at[i-1])
		}
	}
	return values[len(values)-1]
}
