#version 450
// broadcast: takes lane 31.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
layout(local_size_x = 64) in;
layout(binding = 0) buffer XBuf { float x[]; };

void main() {
    uint i = gl_LocalInvocationIndex;
    x[i] += subgroupBroadcast(x[i], 31u);
}
