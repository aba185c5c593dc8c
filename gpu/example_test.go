package gpu_test

import (
	"fmt"
	"log"

	"vklstm/gpu"
)

// A recording of two steps; the barrier between them follows from Write and Read of mask. This example is only
// compiled: it needs a GPU.
func Example() {
	d, err := gpu.Open("auto")
	if err != nil {
		log.Print(err) // without a GPU, one line says what is missing
		return
	}
	defer d.Close()
	const n, T, F = 2, 3, 1
	x, err := gpu.NewBuffer[float32](d, "x", n*T*F)
	if err != nil {
		log.Fatal(err)
	}
	valid, err := gpu.NewBuffer[uint32](d, "valid", n*T)
	if err != nil {
		log.Fatal(err)
	}
	kept, err := gpu.NewBuffer[uint32](d, "kept", n*T)
	if err != nil {
		log.Fatal(err)
	}
	if err := x.Write([]float32{0, 1, 2, 0, 0, 3}); err != nil {
		log.Fatal(err)
	}
	r := d.NewRecording("mask")
	r.Dispatch("mask", gpu.Threads(n*T), gpu.Push(n*T, F),
		gpu.Read(gpu.As[uint32](x), n, T, F), gpu.Write(valid, n, T))
	r.Copy(kept, valid)
	if err := r.Run(); err != nil {
		log.Fatal(err)
	}
	got := make([]uint32, n*T)
	if err := kept.Read(got); err != nil {
		log.Fatal(err)
	}
	fmt.Println(got, r.DeviceTime()) // [0 1 1 0 0 1]
}
