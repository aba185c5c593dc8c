package judge

import (
	"os"
	"path/filepath"
	"testing"
)

// TestNetworks holds the reference to what Keras computes of networks that people have, in every form of file.
func TestNetworks(t *testing.T) {
	dir := filepath.Join(os.Getenv("VKLSTM_SHARED"), "golden/people")
	s, err := Open(dir)
	if err != nil {
		t.Skip(err)
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
