// What the kernels of the resident path share. A slot is a window's place in the order of work of a step.
#ifndef RESIDENT_GLSL
#define RESIDENT_GLSL

const uint SLOT = 4u;          // words of slots[C][K][B]
const uint SLOT_STEPS = 0u;    // valid steps of the window; NO_WINDOW: the slot is empty
const uint SLOT_PLACE = 1u;    // its place in the batch, which dropout's draws and the results go by
const uint SLOT_POSITIVE = 2u; // 1 for a window of class 1
const uint SLOT_WEIGHT = 3u;   // float: its weight in the loss

#endif
