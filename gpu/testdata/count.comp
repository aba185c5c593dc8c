// count: how often each thread and each group index comes. The workgroup's size is specialisation constant 0 and 1.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
layout(local_size_x_id = 0, local_size_y_id = 1) in;
layout(constant_id = 2) const uint step_ = 1;
layout(push_constant) uniform Dims { uint threads_, groups_; };
layout(binding = 0) buffer ThreadBuf { uint threads[]; };
layout(binding = 1) buffer GroupBuf { uint groups[]; };
void main() {
	uint i = threadIndex();
	if (i < threads_) atomicAdd(threads[i], step_);
	if (gl_LocalInvocationIndex == 0 && groupIndex() < groups_) atomicAdd(groups[groupIndex()], step_);
}
