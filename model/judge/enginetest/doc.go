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
// Scenarios, tolerances and the comparison are package judge's, which holds Keras's numbers too.
package enginetest
