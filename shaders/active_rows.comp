#version 450
// active_rows: for each model and step, the rows whose step is valid, in order, and after them the others. One workgroup per
// (model, step). The recurrence takes its rows from it, so that a masked row costs no product, wherever it stands.
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x = 64) in;
layout(push_constant) uniform Dims { uint KT, R; };            // K·T, rows
layout(binding = 0) readonly buffer MaskBuf { uint mask[]; };  // mask[K][T][R], 1 = valid
layout(binding = 1) writeonly buffer OrderBuf { uint rows[]; }; // rows[K][T][R], a permutation of 0 … R − 1 for each step
layout(binding = 2) writeonly buffer CountBuf { uint count[]; }; // count[K][T], valid rows

shared uint valid[64]; // in each thread's part of the rows

void main() {
    uint kt = groupIndex(), thread = gl_LocalInvocationIndex;
    if (kt >= KT) return; // the same for all threads of the group
    uint each = (R + 63u) / 64u, first = min(R, thread * each), end = min(R, first + each);
    uint own = 0u;
    for (uint r = first; r < end; r++) own += mask[kt * R + r] != 0u ? 1u : 0u;
    valid[thread] = own;
    barrier();
    uint before = 0u, all = 0u;
    for (uint i = 0u; i < 64u; i++) {
        if (i == thread) before = all;
        all += valid[i];
    }
    uint masked = all + first - before; // where this part's masked rows go
    for (uint r = first; r < end; r++) {
        bool isValid = mask[kt * R + r] != 0u;
        rows[kt * R + (isValid ? before : masked)] = r;
        if (isValid) before++;
        else masked++;
    }
    if (thread == 0u) count[kt] = all;
}
