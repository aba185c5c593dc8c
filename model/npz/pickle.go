package npz

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// The values that the machine knows, beside nil (None), bool, int64, *big.Int, float64, string and tuple.
type (
	pyBytes string
	list    struct{ items []any }
	global  string // "module.name", one of the globals below
)

// unpickler is the part of Python's pickle machine (protocols 2 to 5) that an object array of plain values needs.
// It works on bytes already in memory and does at most ops operations, each of which allocates no more than the
// bytes it takes from the input and the stack; so memory is bounded by the input and by ops.
type unpickler struct {
	in    []byte
	stack []any
	marks []int // heights of the stack at the open marks
	memo  map[uint32]any
	ops   int // still allowed
}

// pickleError is what is wrong with a pickle, as the end of a sentence about the array.
type pickleError string

func (e pickleError) Error() string { return string(e) }

const (
	errCut   = pickleError("holds a pickle that is cut off or damaged")
	errStack = pickleError("holds a pickle that is damaged: it takes values that are not there")
	errLong  = pickleError("holds a pickle that does more than an array of such values needs; refused")
)

func errCalls(name string) error {
	return pickleError("holds a pickle that calls " + printable(name) + "; refused")
}

// run executes the pickle and returns what it leaves.
func (u *unpickler) run() (any, error) {
	for {
		if u.ops--; u.ops < 0 {
			return nil, errLong
		}
		op, err := u.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == '.' { // STOP
			if len(u.in) != 0 {
				return nil, pickleError("holds more after its pickle")
			}
			return u.pop()
		}
		if err := u.step(op[0]); err != nil {
			return nil, err
		}
	}
}

// step executes one operation; the names are those of Python's pickletools.
func (u *unpickler) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := u.take(1)
		if err == nil && (v[0] < 2 || v[0] > 5) {
			err = pickleError(fmt.Sprintf("holds a pickle of protocol %d; 2 to 5 are known", v[0]))
		}
		return err
	case 0x95: // FRAME
		_, err := u.take(8)
		return err
	case '(': // MARK
		u.marks = append(u.marks, len(u.stack))
		return nil
	case 'N': // NONE
		return u.push(nil)
	case 0x88: // NEWTRUE
		return u.push(true)
	case 0x89: // NEWFALSE
		return u.push(false)
	case 'K', 'M', 'J', 0x8a, 0x8b, 'G': // BININT1, BININT2, BININT, LONG1, LONG4, BINFLOAT
		return u.number(op)
	case 0x8c, 'X', 0x8d: // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
		b, err := u.counted(map[byte]int{0x8c: 1, 'X': 4, 0x8d: 8}[op])
		if err != nil {
			return err
		}
		return u.push(string(b))
	case 'C', 'B', 0x8e, 'U', 'T': // SHORT_BINBYTES, BINBYTES, BINBYTES8, SHORT_BINSTRING, BINSTRING
		b, err := u.counted(map[byte]int{'C': 1, 'B': 4, 0x8e: 8, 'U': 1, 'T': 4}[op])
		if err != nil {
			return err
		}
		return u.push(pyBytes(b))
	case ')': // EMPTY_TUPLE
		return u.push(tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1, TUPLE2, TUPLE3
		items, err := u.popN(int(op) - 0x84)
		if err != nil {
			return err
		}
		return u.push(tuple(items))
	case 't': // TUPLE
		items, err := u.popMark()
		if err != nil {
			return err
		}
		return u.push(tuple(items))
	case ']': // EMPTY_LIST
		return u.push(&list{})
	case 'a', 'e': // APPEND, APPENDS
		return u.extend(op == 'e')
	case 'q', 'r', 0x94, 'h', 'j': // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
		return u.remember(op)
	case 'c', 0x93, 'i': // GLOBAL, STACK_GLOBAL, INST
		return u.global(op)
	case 'R': // REDUCE
		items, err := u.popN(2)
		if err != nil {
			return err
		}
		args, ok := items[1].(tuple)
		name, isGlobal := items[0].(global)
		if !ok || !isGlobal {
			return pickleError("holds a pickle that calls what is no function; refused")
		}
		v, err := call(name, args)
		if err != nil {
			return err
		}
		return u.push(v)
	case 'b': // BUILD
		state, err := u.pop()
		if err != nil {
			return err
		}
		object, err := u.top()
		if err != nil {
			return err
		}
		return build(object, state)
	}
	return pickleError(fmt.Sprintf("holds a pickle with operation 0x%02x, which an array of labels does not need; refused", op))
}

// take returns the next n bytes of the input.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.in)) {
		return nil, errCut
	}
	b := u.in[:n]
	u.in = u.in[n:]
	return b, nil
}

// uint returns the next size bytes as a number, little-endian.
func (u *unpickler) uint(size int) (uint64, error) {
	b, err := u.take(uint64(size))
	if err != nil {
		return 0, err
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:]), nil
}

// counted returns bytes that follow their count, itself of size bytes.
func (u *unpickler) counted(size int) ([]byte, error) {
	n, err := u.uint(size)
	if err != nil {
		return nil, err
	}
	return u.take(n)
}

func (u *unpickler) number(op byte) error {
	switch op {
	case 0x8a, 0x8b:
		b, err := u.counted(map[byte]int{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		if len(b) > 255 { // printing takes time that grows faster than the length
			return errLong
		}
		return u.push(long(b))
	case 'G':
		b, err := u.take(8)
		if err != nil {
			return err
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
	v, err := u.uint(map[byte]int{'K': 1, 'M': 2, 'J': 4}[op])
	if err != nil {
		return err
	}
	if op == 'J' {
		return u.push(int64(int32(uint32(v))))
	}
	return u.push(int64(v))
}

// long returns the whole number that b holds in two's complement, little-endian.
func long(b []byte) any {
	b = slices.Clone(b)
	slices.Reverse(b)
	v := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		return v.Int64()
	}
	return v
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

// floor returns the height below which only popMark may take.
func (u *unpickler) floor() int {
	if len(u.marks) == 0 {
		return 0
	}
	return u.marks[len(u.marks)-1]
}

func (u *unpickler) top() (any, error) {
	if len(u.stack) <= u.floor() {
		return nil, errStack
	}
	return u.stack[len(u.stack)-1], nil
}

func (u *unpickler) pop() (any, error) {
	v, err := u.top()
	if err == nil {
		u.stack = u.stack[:len(u.stack)-1]
	}
	return v, err
}

func (u *unpickler) popN(n int) ([]any, error) {
	at := len(u.stack) - n
	if at < u.floor() {
		return nil, errStack
	}
	items := slices.Clone(u.stack[at:])
	u.stack = u.stack[:at]
	return items, nil
}

func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errStack
	}
	items, err := u.popN(len(u.stack) - u.floor())
	u.marks = u.marks[:len(u.marks)-1]
	return items, err
}

func (u *unpickler) extend(many bool) error {
	var items []any
	var err error
	if many {
		items, err = u.popMark()
	} else {
		items, err = u.popN(1)
	}
	if err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	l, ok := v.(*list)
	if !ok {
		return errStack
	}
	l.items = append(l.items, items...)
	return nil
}

func (u *unpickler) remember(op byte) error {
	key := uint64(len(u.memo)) // MEMOIZE
	if op != 0x94 {
		var err error
		if key, err = u.uint(map[byte]int{'q': 1, 'h': 1, 'r': 4, 'j': 4}[op]); err != nil {
			return err
		}
	}
	if op == 'h' || op == 'j' {
		v, ok := u.memo[uint32(key)]
		if !ok {
			return errStack
		}
		return u.push(v)
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	u.memo[uint32(key)] = v
	return nil
}

// line returns the input up to a newline, which it drops.
func (u *unpickler) line() (string, error) {
	end := slices.Index(u.in, '\n')
	if end < 0 {
		return "", errCut
	}
	s := string(u.in[:end])
	u.in = u.in[end+1:]
	return s, nil
}

// global pushes one of the few globals that there are; to name another is refused, before anything can use it.
func (u *unpickler) global(op byte) error {
	var module, name string
	if op == 0x93 {
		items, err := u.popN(2)
		if err != nil {
			return err
		}
		var ok1, ok2 bool
		module, ok1 = items[0].(string)
		name, ok2 = items[1].(string)
		if !ok1 || !ok2 {
			return errStack
		}
	} else {
		var err error
		if module, err = u.line(); err != nil {
			return err
		}
		if name, err = u.line(); err != nil {
			return err
		}
	}
	g, ok := globals[module+"."+name]
	if !ok || op == 'i' {
		return errCalls(module + "." + name)
	}
	return u.push(g)
}
