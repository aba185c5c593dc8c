#version 450
// advance: the epoch's next step. One thread.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 1) in;
layout(binding = 0) buffer CursorBuf { uint cursor[]; }; // cursor[1]

void main() {
    if (threadIndex() == 0u) cursor[0] += 1u;
}
