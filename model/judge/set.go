package judge

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"vklstm/model"
)

// Set is a golden folder.
type Set struct {
	Keras      string // version that computed the numbers
	TensorFlow string
	Seed       int
	Cases      []*Case // in the manifest's order
}

// Case is one case of a golden folder: what the manifest says of it, and its arrays, read when they are first needed.
type Case struct {
	Name        string
	Kind        string             // "gradient", "optimizer", "trajectory", "own" (of Own), or unknown
	About       string             // what the case is for
	Shape       map[string]int     // B, T, F, H, D as far as the manifest has them; the arrays' own shapes count
	Layers      []Recurrent        // LSTM layers, first to last; nil: one of one direction, whose units the arrays tell
	Loss        string             // Keras's loss, "bce" if the manifest names none
	Alpha       float64            // focal losses
	Gamma       float64            // focal losses
	Weighted    bool               // sample_weight is part of the loss
	Optimizer   string             // trajectory: "SGD" or "Adam"; optimizer: "Adam"
	Rate        float64            // trajectory: learning rate, where the arrays name none for each step
	Batch       int                // trajectory: windows in a step
	Epochs      int                // trajectory
	ClassWeight map[string]float64 // trajectory: weight by label "0" and "1"; nil: none

	own     *Scenario       // of Own; nil for a case of Keras's
	network *network        // of a model file, once Arrays has read it
	adam    model.Optimizer // constants: clipping, weight decay, β, ε
	unknown []string        // numbers in the manifest that mean nothing here

	read   func() (map[string]Array, error)
	once   sync.Once
	arrays map[string]Array
	err    error

	float32s, halves judgement // of engines in float32, and of those with products of float16
}

// Recurrent is an LSTM layer of a case.
type Recurrent struct {
	Name          string `json:"name"`
	Units         int    `json:"units"` // of each direction
	Bidirectional bool   `json:"bidirectional"`
}

// judgement is what engines of one precision are held to.
type judgement struct {
	once      sync.Once
	tolerance map[string][]float64
	err       error
}

//go:embed embedded/manifest.json embedded/*.npz
var embedded embed.FS

// Embedded returns the small set inside the program. It is read once, and its cases keep the tolerances that were
// worked out for them.
func Embedded() *Set { return embeddedSet() }

var embeddedSet = sync.OnceValue(func() *Set {
	sub, err := fs.Sub(embedded, "embedded")
	if err == nil {
		var s *Set
		if s, err = OpenFS(sub); err == nil {
			return s
		}
	}
	panic(err) // the files are part of the program, and a test reads them
})

// Open reads the manifest of a golden folder. The arrays are read when a case is checked, so that a case whose file is
// missing or broken is reported with the others.
func Open(dir string) (*Set, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("judge: there is no folder %s: %w", dir, err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("judge: %s is not a folder; give the one that holds manifest.json", dir)
	}
	s, err := OpenFS(os.DirFS(dir))
	if err != nil {
		return nil, fmt.Errorf("%w (folder %s)", err, dir)
	}
	return s, nil
}

// OpenFS is Open for any file system.
func OpenFS(fsys fs.FS) (*Set, error) {
	info, err := fs.Stat(fsys, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("judge: %w; a golden folder holds manifest.json and one npz for each case", err)
	}
	if info.Size() > 64<<20 {
		return nil, fmt.Errorf("judge: manifest.json: %d bytes; at most %d are read", info.Size(), 64<<20)
	}
	text, err := fs.ReadFile(fsys, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	var manifest struct {
		Keras, Tensorflow string
		Seed              int
		Cases             json.RawMessage
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("judge: manifest.json: %w", err)
	}
	s := &Set{Keras: manifest.Keras, TensorFlow: manifest.Tensorflow, Seed: manifest.Seed}
	if manifest.Cases == nil {
		if s.Cases, err = networks(fsys, text); err != nil || len(s.Cases) > 0 {
			return s, err
		}
	}
	var entries map[string]json.RawMessage
	names, err := keysOf(manifest.Cases)
	if err != nil || json.Unmarshal(manifest.Cases, &entries) != nil {
		return nil, fmt.Errorf(`judge: manifest.json: "cases" must be an object: name → case`)
	}
	for _, name := range names {
		c, err := newCase(name, entries[name])
		if err != nil {
			return nil, err
		}
		file := c.Name + ".npz"
		c.read = func() (map[string]Array, error) {
			if !fs.ValidPath(file) {
				return nil, fmt.Errorf("judge: case name %q is not a file name", c.Name)
			}
			arrays, _, err := readNPZ(fsys, file)
			return arrays, err
		}
		s.Cases = append(s.Cases, c)
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("judge: manifest.json names no cases")
	}
	return s, nil
}

// keysOf returns the keys of a JSON object in their order.
func keysOf(object []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("judge: manifest.json is no object")
	}
	var keys []string
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("judge: manifest.json: %w", err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, fmt.Errorf("judge: manifest.json: %w", err)
		}
		keys = append(keys, t.(string))
	}
	return keys, nil
}

// newCase reads one entry of the manifest.
func newCase(name string, entry json.RawMessage) (*Case, error) {
	c := &Case{Name: name, Loss: "bce", Alpha: 0.25, Gamma: 2, Optimizer: "Adam", adam: model.DefaultAdam()}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(entry, &fields); err != nil {
		return nil, fmt.Errorf("judge: manifest.json: case %s: %w", name, err)
	}
	known := map[string]any{
		"kind": &c.Kind, "about": &c.About, "shape": &c.Shape, "layers": &c.Layers, "loss": &c.Loss, "alpha": &c.Alpha, "gamma": &c.Gamma,
		"weighted": &c.Weighted, "optimizer": &c.Optimizer, "learning_rate": &c.Rate, "batch": &c.Batch,
		"epochs": &c.Epochs, "class_weight": &c.ClassWeight, "mask": new(any), "N": new(any),
		"l2": &c.adam.L2, "clipnorm": &c.adam.ClipNorm, "global_clipnorm": &c.adam.GlobalClipNorm, "weight_decay": &c.adam.WeightDecay,
		"exact_betas": &c.adam.ExactBetas, "beta_1": &c.adam.Beta1, "beta_2": &c.adam.Beta2, "epsilon": &c.adam.Epsilon,
	}
	for key, value := range fields {
		if to, ok := known[key]; ok {
			if err := json.Unmarshal(value, to); err != nil {
				return nil, fmt.Errorf("judge: manifest.json: case %s, %q: %w", name, key, err)
			}
		} else if v := string(value); v != "null" && v != "false" && v[0] != '"' {
			c.unknown = append(c.unknown, key)
		}
	}
	return c, nil
}

// Arrays returns the case's arrays by name. The error says which file is missing or broken.
func (c *Case) Arrays() (map[string]Array, error) {
	c.once.Do(func() { c.arrays, c.err = c.read() })
	return c.arrays, c.err
}
