#version 450
// dense_backward: dx = dy·kernelᵀ. One thread per (model, row, input).
// dy is the gradient by the output before the activation. x is what an activation returned, and dx the gradient before that one.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ACTIVATION = 0u; // of x: 0 linear or none, 1 relu, 2 sigmoid, 3 tanh
layout(push_constant) uniform Dims { uint K, R, M, N, P, kernelOffset; };
layout(binding = 0) readonly buffer DYBuf { float dy[]; };         // dy[K][R][N]
layout(binding = 1) readonly buffer ParamsBuf { float params[]; }; // params[K][P]; kernel[M][N] at its offset
layout(binding = 2) readonly buffer XBuf { float x[]; };           // x[K][R][M]; not read where that is 0
layout(binding = 3) writeonly buffer DXBuf { float dx[]; };        // dx[K][R][M]

void main() {
    uint i = threadIndex();
    if (i >= K * R * M) return;
    uint m = i % M, row = i / M, k = i / (M * R);
    uint kernel = k * P + kernelOffset + m * N;
    float sum = 0.0;
    for (uint n = 0u; n < N; n++) sum += dy[row * N + n] * params[kernel + n];
    dx[i] = ACTIVATION == 0u ? sum : slope(ACTIVATION, sum, x[i]);
}
