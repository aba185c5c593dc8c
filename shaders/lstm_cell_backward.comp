#version 450
// lstm_cell_backward: one LSTM step of backpropagation through time. One thread per (model, row, unit).
// dz replaces the gates. dh comes in whole and leaves as 0, because the recurrent matmul that follows adds dz·recurrent_kernelᵀ;
// dc leaves as far as it flows through the cell. A masked step has dz = 0 and passes dh and dc on.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, T, H, t; };
layout(binding = 0) buffer GatesBuf { float gates[]; };           // gates[K][T][R][4H], blocks i|f|c|o; at t: activated in, dz out
layout(binding = 1) readonly buffer MaskBuf { uint mask[]; };     // mask[K][T][R], 1 = valid
layout(binding = 2) readonly buffer CellBuf { float c[]; };       // c[K][T+1][R][H]; slots t and t+1
layout(binding = 3) buffer DHiddenBuf { float dh[]; };            // dh[K][R][H]
layout(binding = 4) buffer DCellBuf { float dc[]; };              // dc[K][R][H]

void main() {
    uint index = threadIndex();
    if (index >= K * R * H) return;
    uint u = index % H, r = index / H % R, k = index / (H * R);
    uint row = (k * T + t) * R + r, z = row * (4u * H) + u;
    uint before = ((k * (T + 1u) + t) * R + r) * H + u, behind = before + R * H;
    if (mask[row] == 0u) {
        gates[z] = 0.0;
        gates[z + H] = 0.0;
        gates[z + 2u * H] = 0.0;
        gates[z + 3u * H] = 0.0;
        return;
    }
    float i = gates[z], f = gates[z + H], g = gates[z + 2u * H], o = gates[z + 3u * H];
    float tc = tanhBounded(c[behind]), dhidden = dh[index];
    float dcell = dc[index] + dhidden * o * (1.0 - tc * tc); // by c', both ways: directly and through h'
    gates[z] = dcell * g * i * (1.0 - i);
    gates[z + H] = dcell * c[before] * f * (1.0 - f);
    gates[z + 2u * H] = dcell * i * (1.0 - g * g);
    gates[z + 3u * H] = dhidden * tc * o * (1.0 - o);
    dc[index] = dcell * f;
    dh[index] = 0.0;
}
