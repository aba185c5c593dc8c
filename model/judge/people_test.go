package judge

import (
	"path/filepath"
	"testing"
)

// TestNetworks holds the reference to what Keras computes of networks that people have, in every form of file.
func TestNetworks(t *testing.T) {
	dir := filepath.Join(sharedDir(), "people")
	needs(t, dir)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Cases {
		t.Run(c.Name, func(t *testing.T) {
			for _, r := range c.CheckReference() {
				if r.Failed() {
					t.Error(r)
				} else if testing.Verbose() {
					t.Log(r)
				}
			}
		})
	}
}
