#version 450
// dense_forward: y = act(x·kernel + bias). One thread per (model, row, output).
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(constant_id = 0) const uint ACTIVATION = 0u; // 0 linear, 1 relu, 2 sigmoid, 3 tanh
layout(push_constant) uniform Dims { uint K, R, M, N, P, kernelOffset, biasOffset; };
layout(binding = 0) readonly buffer XBuf { float x[]; };           // x[K][R][M]
layout(binding = 1) readonly buffer ParamsBuf { float params[]; }; // params[K][P]; kernel[M][N] and bias[N] at their offsets
layout(binding = 2) writeonly buffer YBuf { float y[]; };          // y[K][R][N]

void main() {
    uint i = threadIndex();
    if (i >= K * R * N) return;
    uint n = i % N, row = i / N, k = i / (N * R);
    uint kernel = k * P + kernelOffset;
    float sum = 0.0;
    for (uint m = 0u; m < M; m++) sum += x[row * M + m] * params[kernel + m * N + n];
    sum += params[k * P + biasOffset + n];
    if (ACTIVATION == 1u) sum = relu(sum);
    if (ACTIVATION == 2u) sum = sigmoid(sum);
    if (ACTIVATION == 3u) sum = tanhBounded(sum);
    y[i] = sum;
}
