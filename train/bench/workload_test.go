package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
)

// SHA-256 of what the peers' script makes under numpy 2.4.6 for 41 windows of 12 × 3, 5 units and 4 dense units: X, y,
// the weights, and all parameters one after the other, as little-endian float32.
func TestDataIsThePeers(t *testing.T) {
	for _, tc := range []struct {
		mask string
		want [4]string
	}{
		{MaskNone, [4]string{"39333f67ce5c45e2", "b3877dbf05973cd6", "5f6ba94060dac7d4", "f725ae00dadb0d5f"}},
		{MaskRight, [4]string{"f0fbfe4e83fd6134", "396bf1f84d276d88", "ac452effdafef325", "07f66172175e0e52"}},
		{MaskHoles, [4]string{"6403be428714dc9d", "426fdb3a184c8605", "19231dee843536aa", "eae535fb745542e9"}},
	} {
		d := Workload{Batch: 8, Time: 12, Features: 3, Units: 5, Dense: 4, Windows: 41, Mask: tc.mask}.Data()
		for i, v := range [][]float32{d.X, d.Y, d.Weight, d.Start.Params} {
			bytes, _ := binary.Append(nil, binary.LittleEndian, v)
			sum := sha256.Sum256(bytes)
			if got := fmt.Sprintf("%x", sum[:8]); got != tc.want[i] {
				t.Errorf("mask %s, %s: got %s, want %s", tc.mask, []string{"X", "y", "weights", "parameters"}[i], got, tc.want[i])
			}
		}
		valid := 0
		for i := 0; i < len(d.X); i += 3 {
			if d.X[i] != 0 {
				valid++
			}
		}
		if want := float64(valid) / (41 * 12); d.Valid != want {
			t.Errorf("mask %s: Valid is %v, want %v", tc.mask, d.Valid, want)
		}
	}
}

func TestFlop(t *testing.T) {
	w := Workload{Time: 60, Features: 6, Units: 64, Dense: 32}
	// Per step and window x·kernel 6 × 256 and h·recurrent_kernel 64 × 256 products, then 64 × 32 and 32.
	if got, want := w.ForwardFlop(10), 2*10*(60*(6*256+64*256)+64*32+32.0); got != want {
		t.Errorf("forward: got %v, want %v", got, want)
	}
	if got, want := w.TrainFlop(10), 2*10*(60*(2*6*256+3*64*256)+3*(64*32+32.0)); got != want {
		t.Errorf("training: got %v, want %v", got, want)
	}
}
