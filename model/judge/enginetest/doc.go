// Package enginetest is what every model.Engine must pass, whatever computes it: package reference gives the numbers,
// and properties hold what no table lists.
//
//	func TestEngine(t *testing.T) {
//		enginetest.Run(t, "cpu", func(t *testing.T, spec model.Spec, opts []model.Options) model.Engine {
//			e, err := cpu.New(spec, opts, 0)
//			if err != nil {
//				t.Fatal(err)
//			}
//			return e
//		}, enginetest.Tolerances{})
//	}
//
//	func BenchmarkTrainEpoch(b *testing.B) { enginetest.TrainEpoch(b, newEngine) }
//	func BenchmarkPredict(b *testing.B)    { enginetest.Predict(b, newEngine) }
//
// Tolerances are not chosen but taken from reference.Rounding, which imitates what float32 may lose: each case runs
// several times with it, and an engine may be as far from the exact numbers as those runs were, four times over.
// Golden numbers of Keras are package golden's.
package enginetest
