package bench

import (
	"archive/zip"
	"fmt"
	"path/filepath"
	"testing"

	"vklstm/train/data"
)

// BenchmarkLoadNPZ reads files as numpy.savez and numpy.savez_compressed write them.
func BenchmarkLoadNPZ(b *testing.B) {
	w := Workload{Batch: 32, Time: 60, Features: 6, Units: 64, Dense: 32, Windows: 20000, Mask: MaskNone}
	d := w.Data()
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		b.Run(fmt.Sprintf("N=%d/T=%d/F=%d/%s", w.Windows, w.Time, w.Features, map[uint16]string{zip.Store: "stored", zip.Deflate: "compressed"}[method]), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "data.npz")
			if err := WriteNPZ(path, w, d, method); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := data.LoadNPZ(path, data.Keys{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(4*float64(len(d.X)*b.N)/1e9/b.Elapsed().Seconds(), "GB/s")
		})
	}
}
