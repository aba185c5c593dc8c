package keras

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"vklstm/model"
	"vklstm/model/keras/internal/hdf5"
)

// File is what a Keras model file holds for this program.
type File struct {
	Spec   model.Spec
	Params []float32 // flat, Spec.Layout order, all finite

	// Others are the parameters of the further members of an ensemble, each as Params is; empty for a single network.
	// The model's probability is the mean of its members'.
	Others [][]float32

	// Extra holds the root attributes that are not Keras's own, such as "vklstm", by name. They are kept as they
	// are; Keras passes over them.
	Extra map[string]string

	// Loss is what the model was compiled with, Loss.Kind is empty when that is not known, or no loss of ours.
	// LossName is what the file calls it: "binary_crossentropy", "focal_loss", or empty. Only Loss is written.
	Loss     model.Loss
	LossName string

	// LearningRate is the optimizer's, 0 when the file has none. It is written when Loss is known; 0 then stands
	// for Keras's default, 0.001.
	LearningRate float64

	// Rule are the settings of the optimizer, Kind is empty when they are not known, or none of ours. L2 is the penalty of
	// the layers, known without an optimizer too. Only .keras files are written with it.
	Rule model.Optimizer

	// Optimizer is the state of Adam, nil when the file holds none, or that of another optimizer. Only .keras files are
	// written with it: Keras 3 cannot go on training from an .h5 file which has it.
	Optimizer *Optimizer

	// ForKeras2 says that a .keras file is written with the optimizer's state as Keras 2 counts its variables: each Keras
	// restores its own count, and passes over the other's. A file that is read does not set it.
	ForKeras2 bool

	// Ignored lists, one sentence each, settings of the file that act in training only and are not kept.
	Ignored []string
}

// Optimizer is the state of Adam.
type Optimizer struct {
	M, V []float32 // first and second moments, flat, Spec.Layout order
	Step int       // steps taken
}

// MaxSize is the largest file in bytes that is read, 1 GiB.
const MaxSize = 1 << 30

// ErrFormat is wrapped by errors about a file which is damaged, or is no Keras model at all.
var ErrFormat = errors.New("not a readable Keras model")

// ErrUnsupported is wrapped by errors about a sound file whose model this program cannot run.
var ErrUnsupported = errors.New("not supported")

// Read reads a model file, .h5 or .keras by its content. The error names the file and says in one sentence what is
// wrong with it; it wraps fs.ErrNotExist and the like, ErrFormat or ErrUnsupported.
func Read(path string) (*File, error) { return read(path, decode) }

// ReadH5 reads an HDF5 model file of Keras 2, Keras 3 or Encode. Errors are those of Read.
func ReadH5(path string) (*File, error) { return read(path, decodeH5) }

// ReadKeras reads a .keras file. Errors are those of Read.
func ReadKeras(path string) (*File, error) { return read(path, decodeKeras) }

// Decode reads a model file from memory, .h5 or .keras by its content. Errors are those of Read, without a name.
func Decode(data []byte) (*File, error) {
	f, err := finish(decode(data))
	if err != nil {
		return nil, fmt.Errorf("keras: %w", err)
	}
	return f, nil
}

func read(path string, decode func([]byte) (*File, error)) (*File, error) {
	data, err := slurp(path)
	if err != nil {
		return nil, fmt.Errorf("keras: read %q: %w", path, err)
	}
	f, err := finish(decode(data))
	if err != nil {
		return nil, fmt.Errorf("keras: read %q: %w", path, err)
	}
	return f, nil
}

// slurp reads a regular file of at most MaxSize bytes.
func slurp(path string) ([]byte, error) {
	// Before it is opened, since opening a pipe waits for its writer.
	info, err := os.Stat(path)
	if err == nil {
		switch {
		case info.IsDir():
			return nil, bad("it is a folder; name a .h5 or .keras file")
		case !info.Mode().IsRegular():
			return nil, bad("it is no regular file; copy it to one first")
		case info.Size() > MaxSize:
			return nil, bad("it has %d bytes; at most %d are read", info.Size(), MaxSize)
		}
		var data []byte
		if data, err = os.ReadFile(path); err == nil {
			return data, nil
		}
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err // the path is in the sentence already
	}
	return nil, err
}

func decode(data []byte) (*File, error) {
	if strings.HasPrefix(string(data[:min(4, len(data))]), "PK\x03\x04") {
		return decodeKeras(data)
	}
	return decodeH5(data)
}

// finish returns what a decoder returned, with sentences that can be shown.
func finish(f *File, err error) (*File, error) {
	if err != nil {
		return nil, classify(err)
	}
	for i, s := range f.Ignored {
		f.Ignored[i] = shown(s)
	}
	return f, nil
}

// kindError is a sentence that errors.Is finds to be of a kind.
type kindError struct {
	sentence string
	kind     error
}

func (e *kindError) Error() string { return e.sentence }
func (e *kindError) Unwrap() error { return e.kind }

// bad returns an ErrFormat, unsupported an ErrUnsupported, with a sentence of their own.
func bad(format string, args ...any) error {
	return &kindError{fmt.Sprintf(format, args...), ErrFormat}
}

func unsupported(format string, args ...any) error {
	return &kindError{fmt.Sprintf(format, args...), ErrUnsupported}
}

// classify finds the kind of an error of package hdf5, and makes its sentence fit to be shown.
func classify(err error) error {
	kind := ErrFormat
	if errors.Is(err, ErrUnsupported) || errors.Is(err, hdf5.ErrUnsupported) {
		kind = ErrUnsupported
	}
	return &kindError{shown(err.Error()), kind}
}

// maxSentence bounds an error's sentence in bytes.
const maxSentence = 600

// shown returns a sentence that may quote anything from a file, as long as it likes: without control characters, and
// without its middle where it is long, for its end often says what to do.
func shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	if len(s) <= maxSentence {
		return s
	}
	const end = maxSentence / 3
	return strings.ToValidUTF8(s[:maxSentence-end], "") + " … " + strings.ToValidUTF8(s[len(s)-end:], "")
}

// jsonReason says what is wrong with a text, without words of Go.
func jsonReason(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("it has another form (%s)", kind.Value)
	}
	return err.Error()
}
