package crossval

import (
	"fmt"

	"vklstm/model/npz"
)

// LoadFolds reads the fold of each of n windows from an array of an .npz file: whole numbers 0 … k−1 of shape (n,) or
// (n, 1). k is the number of folds, 0 for as many as the largest number says. The error is a sentence that begins with the
// path.
func LoadFolds(path, key string, n, k int) (*Folds, error) {
	f, err := npz.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !f.Has(key) {
		return nil, fmt.Errorf("%s: no array %q; the file holds %s; choose one with --fold-key", path, key, f.Contents())
	}
	h, err := f.Header(key)
	if err != nil {
		return nil, err
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s %s", path, key, fmt.Sprintf(format, args...))
	}
	switch {
	case !h.Number():
		return nil, bad("is %s, not numbers; folds are whole numbers from 0 on", h.Type)
	case !(len(h.Shape) == 1 || len(h.Shape) == 2 && h.Shape[1] == 1) || h.Shape[0] != n:
		return nil, bad("has shape %s; the fold of each of the %d windows is needed, (%d,)", h.ShapeText(), n, n)
	}
	values, _, err := f.Float64(key)
	if err != nil {
		return nil, err
	}
	given := &Folds{K: k, Of: make([]int32, n)}
	const most = 10_000
	for i, v := range values {
		switch {
		case v != float64(int32(v)) || v < 0 || v >= most:
			return nil, bad("holds %v at [%d]; folds are whole numbers from 0 to %d", v, i, most-1)
		case k > 0 && int(v) >= k:
			return nil, bad("holds fold %v at [%d]; with --folds %d they are 0 to %d", v, i, k, k-1)
		}
		given.Of[i] = int32(v)
		if k == 0 {
			given.K = max(given.K, int(v)+1)
		}
	}
	if given.K < 2 {
		return nil, bad("puts all windows into fold 0; at least 2 folds are needed, one to test on and the rest to train on")
	}
	for fold := range given.K {
		if len(given.Test(fold)) == 0 {
			return nil, bad("has no window in fold %d of 0 to %d; number the folds without gaps", fold, given.K-1)
		}
	}
	return given, nil
}
