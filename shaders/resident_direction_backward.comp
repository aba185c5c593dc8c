#version 450
// resident_direction_backward: backpropagation through all steps of one direction of an LSTM layer in one dispatch, with the recurrent
// weights in registers. A workgroup of 4·HP threads takes the windows g, g + W, … of R. dz replaces the factors that
// resident_direction_forward left:
//   dz = factor·(p == 3 ? dh : dc),  dc = dh·o(1 − tanh²c) + carry,  carry = dc·f,  dh of the step before = dz·recurrent_kernelᵀ,
// and what flows in from the layer above is added to dh of each valid step. Masked steps, whose factors are 0, pass dh and carry on.
// LG lanes (4, 8 or 16, at most the smallest subgroup) share sums over the 4·HP elements of dz. One barrier per valid step.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_quad : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "dispatch.glsl"
layout(local_size_x = 64, local_size_x_id = 0) in; // 4·HP
layout(constant_id = 1) const uint HP = 16u;       // as for resident_direction_forward
layout(constant_id = 2) const uint LG = 4u;
layout(push_constant) uniform Dims { uint K, R, T, W, H, P, offset, reverse, flows; }; // as there; flows: 0, 1, or 2 where it flows into masked steps too
layout(binding = 0) readonly buffer ParamsBuf { float params[]; }; // params[K][P]
layout(binding = 1) readonly buffer MaskBuf { uint mask[]; };      // mask[K][T][R], 1 = valid
layout(binding = 2) buffer GatesBuf { float gates[]; };            // gates[K][T][R][4H], blocks i|f|c|o: factors in, dz out
layout(binding = 3) readonly buffer PairBuf { vec2 pairs[]; };     // pairs[K][T][R][H]: o(1 − tanh²c), f
layout(binding = 4) readonly buffer DHiddenBuf { float dh[]; };    // dh[K][R][H], by h after the last step; not read with flows
layout(binding = 5) readonly buffer FlowBuf { float flow[]; };     // dout[K][T][R][H], by the output of each step; read with flows only

const uint G = 4u * HP;
shared vec4 ds[2u * HP]; // dz of a unit's four gates, double buffered

float quadSum(float v) {
    v += subgroupQuadSwapHorizontal(v);
    return v + subgroupQuadSwapVertical(v);
}

// A weight from row u, gate e of unit v, of model k's recurrent kernel; 0 where a unit is padding.
float weight(uint k, uint u, uint e, uint v) {
    return u < H && v < H ? params[k * P + offset + u * 4u * H + e * H + v] : 0.0;
}

// The row of step number s, counted as the way forward takes them, of window i of model k.
uint rowOf(uint k, uint s, uint i) { return (k * T + (reverse != 0u ? T - 1u - s : s)) * R + i; }

void main() {
    uint group = groupIndex();
    if (group >= K * W) return; // the same for all threads of the group
    uint k = group / W, g = group - k * W;
    uint tid = gl_SubgroupID * (G / gl_NumSubgroups) + gl_SubgroupInvocationID;
    uint u = tid >> 2, p = tid & 3u, mine = p * H + u;
    bool real = u < H;
    // LG lanes make LG/4 sums, of the units from u & ~(LG/4 − 1) on; lane l has the dz of the units LG·j + l. Slot s is unit u ^ s of
    // the group, so that no selects are needed.
    vec4 V[HP / 4u];
    uint l = tid & (LG - 1u);
    if (LG == 4u) { // V: four gates
        [[unroll]] for (uint j = 0u; j < HP / 4u; j++) {
            uint v = 4u * j + l;
            V[j] = vec4(weight(k, u, 0u, v), weight(k, u, 1u, v), weight(k, u, 2u, v), weight(k, u, 3u, v));
        }
    } else if (LG == 8u) { // V: two slots × two gates
        [[unroll]] for (uint j = 0u; j < HP / 8u; j++) {
            uint v = 8u * j + l;
            V[2u * j] = vec4(weight(k, u, 0u, v), weight(k, u, 1u, v), weight(k, u ^ 1u, 0u, v), weight(k, u ^ 1u, 1u, v));
            V[2u * j + 1u] = vec4(weight(k, u, 2u, v), weight(k, u, 3u, v), weight(k, u ^ 1u, 2u, v), weight(k, u ^ 1u, 3u, v));
        }
    } else { // V: four slots
        [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
            [[unroll]] for (uint e = 0u; e < 4u; e++) {
                uint v = 16u * j + l;
                V[4u * j + e] = vec4(weight(k, u, e, v), weight(k, u ^ 1u, e, v), weight(k, u ^ 2u, e, v), weight(k, u ^ 3u, e, v));
            }
        }
    }
    uint turn = 0u; // which half of ds: it goes on from window to window, so that a late reader is never overtaken
    for (uint i = g; i < R; i += W) {
        float d = 0.0, carry = 0.0, nextFactor = 0.0, nextFlow = 0.0;
        vec2 nextPair = vec2(0.0);
        uint row = rowOf(k, T - 1u, i), valid = mask[row];
        if (real) {
            if (flows == 0u) d = dh[(k * R + i) * H + u];
            nextFactor = gates[row * 4u * H + mine];
            if (p == 1u) nextPair = pairs[row * H + u];
            if (flows != 0u) nextFlow = flow[row * H + u];
        }
        for (uint s = T - 1u;; s--) {
            uint at = row * 4u * H + mine;
            bool isValid = subgroupBroadcastFirst(valid) != 0u;
            float factor = nextFactor, in_ = nextFlow;
            vec2 pair = nextPair;
            row = rowOf(k, max(s, 1u) - 1u, i); // a step ahead
            valid = mask[row];
            if (real) {
                nextFactor = gates[row * 4u * H + mine];
                if (p == 1u) nextPair = pairs[row * H + u];
                if (flows != 0u) nextFlow = flow[row * H + u];
            }
            if (!isValid && flows == 2u) d += in_;
            if (isValid) { // the same for all threads of the group
                if (flows != 0u) d += in_;
                float dc = fma(d, subgroupQuadBroadcast(pair.x, 1u), carry), dz = factor * (p == 3u ? d : dc);
                carry = dc * subgroupQuadBroadcast(pair.y, 1u);
                if (real) gates[at] = dz;
                if (s == 0u) break; // dh of the start is nobody's
                uint cur = turn * HP;
                ds[cur + u][p] = dz;
                barrier();
                vec4 a = vec4(0.0);
                float sum;
                if (LG == 4u) {
                    [[unroll]] for (uint j = 0u; j < HP / 4u; j++) a = fma(ds[cur + 4u * j + l], V[j], a);
                    sum = (a.x + a.y) + (a.z + a.w);
                } else if (LG == 8u) {
                    [[unroll]] for (uint j = 0u; j < HP / 8u; j++) {
                        vec4 v = ds[cur + 8u * j + l];
                        a = fma(v.xyxy, V[2u * j], a);
                        a = fma(v.zwzw, V[2u * j + 1u], a);
                    }
                    sum = (a.x + a.y) + subgroupShuffleXor(a.z + a.w, LG / 2u);
                } else {
                    [[unroll]] for (uint j = 0u; j < HP / 16u; j++) {
                        vec4 v = ds[cur + 16u * j + l];
                        a = fma(v.xxxx, V[4u * j], a);
                        a = fma(v.yyyy, V[4u * j + 1u], a);
                        a = fma(v.zzzz, V[4u * j + 2u], a);
                        a = fma(v.wwww, V[4u * j + 3u], a);
                    }
                    float low = a.x + subgroupShuffleXor(a.y, LG / 4u), high = a.z + subgroupShuffleXor(a.w, LG / 4u);
                    sum = low + subgroupShuffleXor(high, LG / 2u);
                }
                d = quadSum(sum);
                turn ^= 1u;
            }
            if (s == 0u) break;
        }
    }
}
