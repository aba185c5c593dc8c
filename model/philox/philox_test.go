package philox

import "testing"

// The known answers for philox4x32-10 published with the Random123 library (file kat_vectors, version 1.09).
func TestPublishedAnswers(t *testing.T) {
	for _, tc := range []struct {
		c    [4]uint32
		k    [2]uint32
		want [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := Draw(tc.c, tc.k); got != tc.want {
			t.Errorf("Draw(%08x, %08x) = %08x, want %08x", tc.c, tc.k, got, tc.want)
		}
	}
}

func TestBelow(t *testing.T) {
	for _, tc := range []struct {
		p    float64
		want uint32
	}{{-1, 0}, {0, 0}, {0.5, 1 << 23}, {1, 1 << 24}, {2, 1 << 24}, {0.3, 5033165}} {
		if got := Below(tc.p); got != tc.want {
			t.Errorf("Below(%v) = %d, want %d", tc.p, got, tc.want)
		}
	}
}
