#version 450
// lstm_cell_forward: one LSTM step after the matmuls. One thread per (model, row, unit).
// i, f, o = sigmoid(z), g = tanh(z_c); c' = f·c + i·g; h' = o·tanh(c'). The gates replace z. A masked step carries h and c
// forward, and its gates are 0.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint K, R, T, H, t; };
layout(binding = 0) buffer GatesBuf { float gates[]; };        // gates[K][T][R][4H], blocks i|f|c|o; at t: z in, activated out
layout(binding = 1) readonly buffer MaskBuf { uint mask[]; };  // mask[K][T][R], 1 = valid
layout(binding = 2) buffer HiddenBuf { float h[]; };           // h[K][T+1][R][H]; slot t in, slot t+1 out
layout(binding = 3) buffer CellBuf { float c[]; };             // c[K][T+1][R][H]; as h

void main() {
    uint index = threadIndex();
    if (index >= K * R * H) return;
    uint u = index % H, r = index / H % R, k = index / (H * R);
    uint row = (k * T + t) * R + r, z = row * (4u * H) + u;
    uint before = ((k * (T + 1u) + t) * R + r) * H + u, behind = before + R * H;
    if (mask[row] == 0u) {
        h[behind] = h[before];
        c[behind] = c[before];
        gates[z] = 0.0;
        gates[z + H] = 0.0;
        gates[z + 2u * H] = 0.0;
        gates[z + 3u * H] = 0.0;
        return;
    }
    float i = sigmoid(gates[z]), f = sigmoid(gates[z + H]);
    float g = tanhBounded(gates[z + 2u * H]), o = sigmoid(gates[z + 3u * H]);
    float cell = f * c[before] + i * g;
    c[behind] = cell;
    h[behind] = o * tanhBounded(cell);
    gates[z] = i;
    gates[z + H] = f;
    gates[z + 2u * H] = g;
    gates[z + 3u * H] = o;
}
