package judge

import (
	"bytes"
	"fmt"
	"io/fs"

	"vklstm/model/npz"
)

// maxFile is the most bytes of an npz file that are read.
const maxFile = 1 << 30

// Array is one array of a case, in C order.
type Array struct {
	Shape []int // slowest dimension first; empty for a scalar
	Data  []float64
}

// readNPZ reads every array of an npz file, and returns their names in its order too.
func readNPZ(fsys fs.FS, name string) (map[string]Array, []string, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, nil, fmt.Errorf("judge: %w", err)
	}
	if info.Size() > maxFile {
		return nil, nil, fmt.Errorf("judge: %s: %d bytes; at most %d are read", name, info.Size(), maxFile)
	}
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, nil, fmt.Errorf("judge: %w", err)
	}
	f, err := npz.New(name, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, nil, fmt.Errorf("judge: %w", err)
	}
	arrays := map[string]Array{}
	for _, key := range f.Names() {
		var a Array
		if a.Data, a.Shape, err = f.Float64(key); err != nil {
			return nil, nil, fmt.Errorf("judge: %w", err)
		}
		arrays[key] = a
	}
	return arrays, f.Names(), nil
}
