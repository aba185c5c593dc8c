#version 450
// split_sum: out[k] (+)= the sum of model k's parts, 0, 1, … in order: what a matmul or column_sum over parts of its inner
// dimension left. One thread per element.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ACCUMULATE = 0u;
layout(push_constant) uniform Dims { uint K, splits, size, offsetOut, strideOut; }; // elements; stride: from model to model
layout(binding = 0) readonly buffer PartBuf { float part[]; }; // part[K][splits][size]
layout(binding = 1) buffer OutBuf { float sums[]; };           // offsetOut + k·strideOut + [size]

void main() {
    uint index = threadIndex();
    if (index >= K * size) return;
    uint k = index / size, i = index % size;
    float sum = 0.0;
    for (uint s = 0u; s < splits; s++) sum += part[(k * splits + s) * size + i];
    uint at = offsetOut + k * strideOut + i;
    if (ACCUMULATE != 0u) sum += sums[at];
    sums[at] = sum;
}
