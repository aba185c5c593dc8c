#version 450
// gradient_norm: the sum of squares of each variable's gradient, that of the L2 penalty with it. One workgroup per (model, variable).
// Thread i of 128 adds the squares of the elements i, i + 128, …; then halves are added to halves.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "options.glsl"
layout(local_size_x = 128) in;
layout(push_constant) uniform Dims { uint K, P, V; };
layout(binding = 0) readonly buffer GradsBuf { float grads[]; };      // grads[K][P]
layout(binding = 1) readonly buffer ParamsBuf { float params[]; };    // params[K][P]
layout(binding = 2) readonly buffer StartsBuf { uint starts[]; };     // starts[V+1], where each variable begins (penalty.glsl)
layout(binding = 3) readonly buffer OptionsBuf { uint options[]; };   // options[K][OPTIONS]
layout(binding = 4) writeonly buffer SquaresBuf { float squares[]; }; // squares[K][V]
#include "penalty.glsl"

const uint THREADS = 128u;
shared float part[THREADS];

void main() {
    uint group = groupIndex(), thread = gl_LocalInvocationIndex;
    if (group >= K * V) return; // the same for all threads of the group
    uint k = group / V, v = group % V, end = start(v + 1u);
    float sum = 0.0, twice = penalty(v, k * OPTIONS);
    for (uint i = start(v) + thread; i < end; i += THREADS) {
        float g = penalised(grads[k * P + i], params[k * P + i], twice);
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
