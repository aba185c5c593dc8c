#version 450
// gradient_norm: the sum of squares of each variable's gradient. One workgroup per (model, variable).
// Thread i of 128 adds the squares of the elements i, i + 128, …; then halves are added to halves.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
const uint VARIABLES = 7u;
layout(push_constant) uniform Dims { uint K, P, offsets[VARIABLES]; }; // a variable ends where the next starts, the last at P
layout(binding = 0) readonly buffer GradsBuf { float grads[]; };      // grads[K][P]
layout(binding = 1) writeonly buffer SquaresBuf { float squares[]; }; // squares[K][VARIABLES]

const uint THREADS = 128u;
shared float part[THREADS];

void main() {
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    if (group >= K * VARIABLES) return; // the same for all threads of the group
    uint k = group / VARIABLES, v = group % VARIABLES;
    uint end = v + 1u < VARIABLES ? offsets[v + 1u] : P;
    float sum = 0.0;
    for (uint i = offsets[v] + thread; i < end; i += THREADS) {
        float g = grads[k * P + i];
        sum += g * g;
    }
    part[thread] = sum;
    barrier();
    for (uint width = THREADS / 2u; width > 0u; width /= 2u) {
        if (thread < width) part[thread] += part[thread + width];
        barrier();
    }
    if (thread == 0u) squares[group] = part[0];
}
