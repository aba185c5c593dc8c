#version 450
// gradient_norm: the sum of squares of each variable's gradient. One workgroup per (model, variable).
// Thread i of 128 adds the squares of the elements i, i + 128, …; then halves are added to halves.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Dims { uint K, P, V; };
layout(binding = 0) readonly buffer GradsBuf { float grads[]; };      // grads[K][P]
layout(binding = 1) readonly buffer StartsBuf { uint starts[]; };     // starts[V+1], where each variable begins, and the end of the last
layout(binding = 2) writeonly buffer SquaresBuf { float squares[]; }; // squares[K][V]

const uint THREADS = 128u;
shared float part[THREADS];

void main() {
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    if (group >= K * V) return; // the same for all threads of the group
    uint k = group / V, v = group % V, end = starts[v + 1u];
    float sum = 0.0;
    for (uint i = starts[v] + thread; i < end; i += THREADS) {
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
