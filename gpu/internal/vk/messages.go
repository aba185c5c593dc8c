//go:build cgo

package vk

/*
#include <stdint.h>
*/
import "C"

import "sync"

// listeners are the receivers of validation messages, by the number that the C callback carries. A number that is no
// longer listed is ignored, since a layer may still speak while its instance is being destroyed.
var listeners struct {
	sync.RWMutex
	next uint64
	of   map[uint64]func(string)
}

func addListener(f func(string)) uint64 {
	listeners.Lock()
	defer listeners.Unlock()
	if listeners.of == nil {
		listeners.of = map[uint64]func(string){}
	}
	listeners.next++
	listeners.of[listeners.next] = f
	return listeners.next
}

func removeListener(id uint64) {
	listeners.Lock()
	delete(listeners.of, id)
	listeners.Unlock()
}

//export vklstmMessage
func vklstmMessage(listener C.uint64_t, name, text *C.char) {
	listeners.RLock()
	f := listeners.of[uint64(listener)]
	listeners.RUnlock()
	// Under these names newer layers speak of their own settings (such as GPU-assisted validation being slow or switching a
	// feature on), not of what the program does.
	id := C.GoString(name)
	if f != nil && id != "VALIDATION-SETTINGS" && id != "WARNING-Setting-Limit-Adjusted" {
		f(id + ": " + C.GoString(text))
	}
}
