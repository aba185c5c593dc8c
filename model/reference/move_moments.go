package reference

// MoveMoments is move_moments.comp: it moves the moving moments, as Keras does after a training step: m·moving + (1 − m)·batch's.
func MoveMoments(mean, variance []float64, batch Moments, momentum float64) {
	for u := range mean {
		mean[u] = mean[u]*momentum + batch.Mean[u]*(1-momentum)
		variance[u] = variance[u]*momentum + batch.Variance[u]*(1-momentum)
	}
}
