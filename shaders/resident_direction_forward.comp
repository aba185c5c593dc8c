#version 450
// resident_direction_forward: all steps of one direction of an LSTM layer in one dispatch, with the recurrent weights in registers.
// A workgroup of 4·HP threads takes the windows g, g + W, … of R. Four neighbouring lanes, a quad, serve a unit: lane p has gate p
// (i f c o), and holds 1/4 of the rows of all four gates of its unit, as in resident_lstm. z = z of the input + h·recurrent_kernel.
// With TRAIN what BPTT multiplies dh and dc with replaces z, and pairs, as resident_lstm has them:
//   dz = factor·(p == 3 ? dh : dc),  dc = dh·o(1 − tanh²c) + carry,  carry = dc·f,
// A masked step carries h on, and its factors are 0. One barrier per valid step. Steps are taken from 0 on, in reverse from T − 1
// on; the slot of h where they begin holds 0. It needs full subgroups of 4 lanes or more.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_quad : require
#include "dispatch.glsl"
#include "activations.glsl"
layout(local_size_x = 64, local_size_x_id = 0) in; // 4·HP
layout(constant_id = 1) const uint HP = 16u;       // H rounded up to a multiple of 16, and 4·HP to one of the largest subgroup
layout(constant_id = 2) const uint TRAIN = 1u;     // 0: h alone; z stays
layout(constant_id = 3) const uint RELU = 0u;      // relu in place of tanh, and its derivative in place of 1 − tanh²
layout(push_constant) uniform Dims { uint K, R, T, W, H, P, offset, reverse; }; // W workgroups per model; offset: of recurrent_kernel[H][4H] in params
layout(binding = 0) readonly buffer ParamsBuf { float params[]; }; // params[K][P]
layout(binding = 1) readonly buffer MaskBuf { uint mask[]; };      // mask[K][T][R], 1 = valid
layout(binding = 2) buffer GatesBuf { float gates[]; };            // gates[K][T][R][4H], blocks i|f|c|o: z in, factors out
layout(binding = 3) writeonly buffer HiddenBuf { float h[]; };     // h[K][T+1][R][H]; after step t in slot t+1, in reverse in slot t
layout(binding = 4) writeonly buffer PairBuf { vec2 pairs[]; };    // pairs[K][T][R][H]: o(1 − tanh²c), f

const uint G = 4u * HP;
shared vec4 hs[2u * HP / 4u]; // h, double buffered

// The row of step number s of window i of model k.
uint rowOf(uint k, uint s, uint i) { return (k * T + (reverse != 0u ? T - 1u - s : s)) * R + i; }

void main() {
    uint group = groupIndex();
    if (group >= K * W) return; // the same for all threads of the group
    uint k = group / W, g = group - k * W;
    uint tid = gl_SubgroupID * (G / gl_NumSubgroups) + gl_SubgroupInvocationID;
    uint u = tid >> 2, p = tid & 3u, mine = p * H + u;
    bool real = u < H;
    // Lane p holds rows 16j + 4p + e of the recurrent kernel; slot s is gate s^p, so that the sum over the quad needs no select.
    vec4 U[HP / 4u];
    [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
        [[unroll]] for (uint e = 0u; e < 4u; e++) {
            uint row = 16u * j + 4u * p + e, at = k * P + offset + row * 4u * H + u;
            bool in_ = real && row < H;
            vec4 v = vec4(0.0);
            if (in_) v = vec4(params[at + p * H], params[at + (p ^ 1u) * H], params[at + (p ^ 2u) * H], params[at + (p ^ 3u) * H]);
            U[4u * j + e] = v;
        }
    }
    for (uint i = g; i < R; i += W) {
        if (tid < HP / 4u) hs[tid] = vec4(0.0);
        float c = 0.0, hidden = 0.0, next = 0.0;
        uint cur = 0u, row = rowOf(k, 0u, i);
        if (real) next = gates[row * 4u * H + mine];
        uint valid = mask[row];
        barrier();
        for (uint s = 0u; s < T; s++) {
            uint at = row * 4u * H + mine, to = row + (k + 1u - reverse) * R; // row of h[K][T+1][R] after the step
            bool isValid = subgroupBroadcastFirst(valid) != 0u;
            float z = next;
            uint put = row * H + u;
            row = rowOf(k, min(s + 1u, T - 1u), i); // the next step's z, a step ahead
            if (real) next = gates[row * 4u * H + mine];
            valid = mask[row];
            if (!isValid) { // the same for all threads of the group
                if (real && p == 0u) h[to * H + u] = hidden;
                if (TRAIN != 0u && real) gates[at] = 0.0;
                continue;
            }
            vec4 a = vec4(0.0);
            [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
                vec4 v = hs[cur + 4u * j + p];
                a = fma(vec4(v.x), U[4u * j], a);
                a = fma(vec4(v.y), U[4u * j + 1u], a);
                a = fma(vec4(v.z), U[4u * j + 2u], a);
                a = fma(vec4(v.w), U[4u * j + 3u], a);
            }
            float lo = a.x + subgroupQuadSwapHorizontal(a.y), hi = a.z + subgroupQuadSwapHorizontal(a.w);
            z += lo + subgroupQuadSwapVertical(hi);
            // sigmoid(z), in lane 2 tanhBounded(z): one exp and one division for both.
            bool tanh_ = p == 2u;
            float size = abs(z), e = exp(tanh_ ? -2.0 * size : -size);
            float gate = (tanh_ ? 1.0 - e : z < 0.0 ? e : 1.0) / (1.0 + e);
            gate = !tanh_ ? gate : RELU != 0u ? relu(z) : size < 0.5 ? tanhSmall(z) : z < 0.0 ? -gate : gate;
            float gi = subgroupQuadBroadcast(gate, 0u), gf = subgroupQuadBroadcast(gate, 1u);
            float gc = subgroupQuadBroadcast(gate, 2u), go = subgroupQuadBroadcast(gate, 3u);
            float before = c;
            c = fma(gf, c, gi * gc);
            float tc = RELU != 0u ? relu(c) : tanhBounded(c);
            hidden = go * tc;
            cur = HP / 4u - cur;
            if (p == 0u) {
                hs[cur + (u >> 2)][u & 3u] = hidden;
                if (real) h[to * H + u] = hidden;
            }
            if (TRAIN != 0u && real) {
                float other = p == 0u ? gc : p == 1u ? before : p == 2u ? gi : tc;
                float slopeG = RELU != 0u ? (gate > 0.0 ? 1.0 : 0.0) : 1.0 - gate * gate, slopeH = RELU != 0u ? (c > 0.0 ? 1.0 : 0.0) : 1.0 - tc * tc;
                gates[at] = other * (tanh_ ? slopeG : gate * (1.0 - gate));
                if (p == 1u) pairs[put] = vec2(go * slopeH, gf);
            }
            barrier();
        }
    }
}
