//go:build cgo

// A device's objects and its commands, through pointers that vkGetDeviceProcAddr gives.
#include <stdlib.h>
#include <string.h>
#include "shim.h"

enum { STAGE_COMPUTE = 0x20, STORAGE_BUFFER = 7, MAX_BINDINGS = 64, MAX_PUSH_WORDS = 256 };  // the last two as in types.go
enum { VARYING_SUBGROUP_SIZE = 1, FULL_SUBGROUPS = 2 };
enum { PIPE_COMPUTE = 0x800, PIPE_TRANSFER = 0x1000, PIPE_BOTTOM = 0x2000, PIPE_HOST = 0x4000 };
enum { ACCESS_SHADER_READ = 0x20, ACCESS_SHADER_WRITE = 0x40, ACCESS_TRANSFER_READ = 0x800, ACCESS_TRANSFER_WRITE = 0x1000, ACCESS_HOST_READ = 0x2000 };

struct Device {
	handle device, queue;
	int32_t (*SetDebugUtilsObjectName)(handle, const ObjectNameInfo *);
#define MEMBER(name, result, arguments) result (*name) arguments;
	DEVICE_FUNCTIONS(MEMBER)
#undef MEMBER
};

GetProcAddr shim_instance_proc(void);  // instance.c

Device *shim_device(handle instance, handle device, uint32_t family, const char **missing) {
	Device *d = calloc(1, sizeof *d);
	GetProcAddr proc = (GetProcAddr)shim_instance_proc()(instance, "vkGetDeviceProcAddr");
	*missing = "vkGetDeviceProcAddr";
	if (!d || !proc) {
		free(d);
		return NULL;
	}
	d->device = device;
#define LOAD(name, result, arguments) \
	if (!(*(void **)&d->name = proc(device, "vk" #name))) { \
		*missing = "vk" #name; \
		free(d); \
		return NULL; \
	}
	DEVICE_FUNCTIONS(LOAD)
#undef LOAD
	*(void **)&d->SetDebugUtilsObjectName = shim_instance_proc()(instance, "vkSetDebugUtilsObjectNameEXT");
	d->GetDeviceQueue(device, family, 0, &d->queue);
	return d;
}

void shim_destroy(Device *d, int kind, object o) {
	void (*destroy[])(handle, object, const void *) = {d->DestroyBuffer, d->FreeMemory, d->DestroyDescriptorSetLayout, d->DestroyPipelineLayout, d->DestroyPipeline, d->DestroyPipelineCache};
	destroy[kind](d->device, o, NULL);
}

void shim_name(Device *d, int kind, object o, const char *name) {
	static const uint32_t types[] = {9, 8, 20, 17, 19, 16};  // VkObjectType
	if (!d->SetDebugUtilsObjectName) return;
	ObjectNameInfo info = {ST_OBJECT_NAME_INFO, NULL, types[kind], o, name};
	d->SetDebugUtilsObjectName(d->device, &info);
}

int32_t shim_idle(Device *d) { return d->DeviceWaitIdle(d->device); }

int32_t shim_buffer(Device *d, uint64_t bytes, object *buffer, MemoryRequirements *needs) {
	BufferCreateInfo info = {.sType = ST_BUFFER_CREATE_INFO, .size = bytes, .usage = 0x20 | 0x1 | 0x2};  // storage, copy from, copy to
	int32_t r = d->CreateBuffer(d->device, &info, NULL, buffer);
	if (!r) d->GetBufferMemoryRequirements(d->device, *buffer, needs);
	return r;
}

int32_t shim_bind(Device *d, object buffer, object memory, uint64_t offset) { return d->BindBufferMemory(d->device, buffer, memory, offset); }

int32_t shim_allocate(Device *d, uint64_t bytes, uint32_t type, object *memory) {
	MemoryAllocateInfo info = {.sType = ST_MEMORY_ALLOCATE_INFO, .size = bytes, .type = type};
	return d->AllocateMemory(d->device, &info, NULL, memory);
}

int32_t shim_map(Device *d, object memory, void **address) { return d->MapMemory(d->device, memory, 0, ~0ull, 0, address); }

int32_t shim_set_layout(Device *d, uint32_t bindings, object *layout) {
	SetLayoutBinding binding[MAX_BINDINGS];
	for (uint32_t i = 0; i < bindings; i++) binding[i] = (SetLayoutBinding){i, STORAGE_BUFFER, 1, STAGE_COMPUTE, NULL};
	SetLayoutCreateInfo info = {.sType = ST_SET_LAYOUT_CREATE_INFO, .bindings = bindings, .binding = binding};
	return d->CreateDescriptorSetLayout(d->device, &info, NULL, layout);
}

int32_t shim_pipeline_layout(Device *d, object set, uint32_t pushBytes, object *layout) {
	PushConstantRange range = {STAGE_COMPUTE, 0, pushBytes};
	PipelineLayoutCreateInfo info = {.sType = ST_PIPELINE_LAYOUT_CREATE_INFO, .sets = 1, .set = &set, .ranges = pushBytes > 0, .range = &range};
	return d->CreatePipelineLayout(d->device, &info, NULL, layout);
}

int32_t shim_cache(Device *d, const void *data, size_t bytes, object *cache) {
	PipelineCacheCreateInfo info = {.sType = ST_PIPELINE_CACHE_CREATE_INFO, .bytes = bytes, .data = data};
	return d->CreatePipelineCache(d->device, &info, NULL, cache);
}

int32_t shim_cache_data(Device *d, object cache, void *data, size_t *bytes) { return d->GetPipelineCacheData(d->device, cache, bytes, data); }

int32_t shim_pipeline(Device *d, const uint32_t *code, size_t bytes, object layout, object cache, const uint32_t *constants, uint32_t n, int subgroups, object *pipeline) {
	ShaderModuleCreateInfo source = {.sType = ST_SHADER_MODULE_CREATE_INFO, .bytes = bytes, .code = code};
	object module = 0;
	int32_t r = d->CreateShaderModule(d->device, &source, NULL, &module);
	if (r) return r;
	SpecializationMapEntry *entry = calloc(n + 1, sizeof *entry);
	if (!entry) {
		d->DestroyShaderModule(d->device, module, NULL);
		return -1;
	}
	for (uint32_t i = 0; i < n; i++) entry[i] = (SpecializationMapEntry){i, 4 * i, 4};
	SpecializationInfo special = {n, entry, 4 * (size_t)n, constants};
	ComputePipelineCreateInfo info = {.sType = ST_COMPUTE_PIPELINE_CREATE_INFO, .layout = layout, .baseIndex = -1,
		.stage = {.sType = ST_SHADER_STAGE_CREATE_INFO, .stage = STAGE_COMPUTE, .module = module, .entry = "main", .specialization = n ? &special : NULL}};
	// Subgroups without idle lanes, of any size that the driver likes: without the second flag it has to take its largest.
	// Without it they have the size that the device says.
	if (subgroups) info.stage.flags = subgroups == 2 ? FULL_SUBGROUPS : FULL_SUBGROUPS | VARYING_SUBGROUP_SIZE;
	r = d->CreateComputePipelines(d->device, cache, 1, &info, NULL, pipeline);
	d->DestroyShaderModule(d->device, module, NULL);
	free(entry);
	return r;
}

void shim_commands_free(Device *d, Commands *c) {
	if (c->queries) d->DestroyQueryPool(d->device, c->queries, NULL);
	if (c->fence) d->DestroyFence(d->device, c->fence, NULL);
	if (c->pool) d->DestroyCommandPool(d->device, c->pool, NULL);
	memset(c, 0, sizeof *c);
}

int32_t shim_commands(Device *d, uint32_t family, int timestamps, uint32_t stamps, Commands *c) {
	memset(c, 0, sizeof *c);
	c->stamps = stamps;
	CommandPoolCreateInfo pool = {.sType = ST_COMMAND_POOL_CREATE_INFO, .flags = 2, .family = family};  // buffers reset one by one, by beginning them
	FenceCreateInfo fence = {.sType = ST_FENCE_CREATE_INFO};
	QueryPoolCreateInfo queries = {.sType = ST_QUERY_POOL_CREATE_INFO, .type = 2, .count = 2 + stamps};
	int32_t r = d->CreateCommandPool(d->device, &pool, NULL, &c->pool);
	CommandBufferAllocateInfo buffers = {.sType = ST_COMMAND_BUFFER_ALLOCATE_INFO, .pool = c->pool, .count = 3};
	if (!r) r = d->AllocateCommandBuffers(d->device, &buffers, c->buffers);
	if (!r) r = d->CreateFence(d->device, &fence, NULL, &c->fence);
	if (!r && timestamps) r = d->CreateQueryPool(d->device, &queries, NULL, &c->queries);
	for (int i = 0; !r && timestamps && i < 3; i += 2) {
		CommandBufferBeginInfo begin = {.sType = ST_COMMAND_BUFFER_BEGIN_INFO};
		if ((r = d->BeginCommandBuffer(c->buffers[i], &begin))) break;
		if (i == 0) d->CmdResetQueryPool(c->buffers[i], c->queries, 0, 2);
		// Written when all earlier work is done, so that the span holds this submission alone.
		d->CmdWriteTimestamp(c->buffers[i], PIPE_BOTTOM, c->queries, i / 2);
		r = d->EndCommandBuffer(c->buffers[i]);
	}
	if (r) shim_commands_free(d, c);
	return r;
}

void shim_sets_free(Device *d, object pool) { d->DestroyDescriptorPool(d->device, pool, NULL); }

// writes holds, for each set, the number of its bindings, then buffer, offset and range of each.
int32_t shim_sets(Device *d, uint32_t sets, const uint64_t *layouts, uint32_t descriptors, const uint64_t *writes, object *pool, uint64_t *out) {
	DescriptorPoolSize size = {STORAGE_BUFFER, descriptors ? descriptors : 1};
	DescriptorPoolCreateInfo info = {.sType = ST_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = sets, .sizes = 1, .size = &size};
	int32_t r = d->CreateDescriptorPool(d->device, &info, NULL, pool);
	if (r) return r;
	SetAllocateInfo allocate = {.sType = ST_SET_ALLOCATE_INFO, .pool = *pool, .count = sets, .layouts = layouts};
	if ((r = d->AllocateDescriptorSets(d->device, &allocate, out))) {
		shim_sets_free(d, *pool);
		*pool = 0;
		return r;
	}
	DescriptorBufferInfo buffer[MAX_BINDINGS];
	WriteSet write[MAX_BINDINGS];
	for (uint32_t s = 0; s < sets; s++) {
		uint32_t n = (uint32_t)*writes++;
		for (uint32_t i = 0; i < n; i++, writes += 3) {
			buffer[i] = (DescriptorBufferInfo){writes[0], writes[1], writes[2]};
			write[i] = (WriteSet){.sType = ST_WRITE_SET, .set = out[s], .binding = i, .count = 1, .type = STORAGE_BUFFER, .buffer = &buffer[i]};
		}
		if (n) d->UpdateDescriptorSets(d->device, n, write, 0, NULL);
	}
	return 0;
}

// The numbers are OpBarrier … of types.go.
int32_t shim_record(Device *d, const Commands *c, const uint64_t *op, size_t words, const uint64_t *sets) {
	handle cb = c->buffers[1];
	CommandBufferBeginInfo begin = {.sType = ST_COMMAND_BUFFER_BEGIN_INFO, .flags = 4};  // may be pending several times at once
	int32_t r = d->BeginCommandBuffer(cb, &begin);
	if (r) return r;
	const uint32_t everything = ACCESS_SHADER_READ | ACCESS_SHADER_WRITE | ACCESS_TRANSFER_READ | ACCESS_TRANSFER_WRITE;
	const MemoryBarrier full = {ST_MEMORY_BARRIER, NULL, ACCESS_SHADER_WRITE | ACCESS_TRANSFER_WRITE, everything};
	const MemoryBarrier host = {ST_MEMORY_BARRIER, NULL, ACCESS_SHADER_WRITE | ACCESS_TRANSFER_WRITE, ACCESS_HOST_READ};
	object boundPipeline = 0, boundSet = 0, boundLayout = 0;
	if (c->stamps) d->CmdResetQueryPool(cb, c->queries, 2, c->stamps);  // each repetition writes them anew
	for (const uint64_t *end = op + words; op < end;) {
		switch (*op++) {
		case 1:
			d->CmdPipelineBarrier(cb, PIPE_COMPUTE | PIPE_TRANSFER, PIPE_COMPUTE | PIPE_TRANSFER, 0, 1, &full, 0, NULL, 0, NULL);
			break;
		case 2:
			d->CmdPipelineBarrier(cb, PIPE_COMPUTE | PIPE_TRANSFER, PIPE_HOST, 0, 1, &host, 0, NULL, 0, NULL);
			break;
		case 3: {
			object pipeline = op[0], layout = op[1], set = sets[op[2]];
			uint32_t push[MAX_PUSH_WORDS], n = (uint32_t)op[6];
			for (uint32_t i = 0; i < n; i++) push[i] = (uint32_t)op[7 + i];
			if (pipeline != boundPipeline) d->CmdBindPipeline(cb, 1, boundPipeline = pipeline);
			if (set != boundSet || layout != boundLayout) {
				boundSet = set, boundLayout = layout;
				d->CmdBindDescriptorSets(cb, 1, layout, 0, 1, &set, 0, NULL);
			}
			if (n) d->CmdPushConstants(cb, layout, STAGE_COMPUTE, 0, 4 * n, push);
			d->CmdDispatch(cb, (uint32_t)op[3], (uint32_t)op[4], (uint32_t)op[5]);
			op += 7 + n;
			break;
		}
		case 4: {
			BufferCopy region = {op[2], op[3], op[4]};
			d->CmdCopyBuffer(cb, op[0], op[1], 1, &region);
			op += 5;
			break;
		}
		case 5:
			d->CmdFillBuffer(cb, op[0], op[1], op[2], (uint32_t)op[3]);
			op += 4;
			break;
		case 6:
			d->CmdWriteTimestamp(cb, PIPE_BOTTOM, c->queries, 2 + (uint32_t)*op++);
			break;
		default:
			d->EndCommandBuffer(cb);
			return -3;
		}
	}
	return d->EndCommandBuffer(cb);
}

// parts are n pairs of a command buffer (a Commands' second) and how often it runs.
int32_t shim_submit(Device *d, const Commands *c, const uint64_t *parts, uint32_t n) {
	int32_t r = d->ResetFences(d->device, 1, &c->fence);
	if (r) return r;
	size_t total = 2;
	for (uint32_t i = 0; i < n; i++) total += parts[2 * i + 1];
	uint32_t used = 0;
	handle *list = malloc(total * sizeof *list);
	if (!list) return -1;
	if (c->queries) list[used++] = c->buffers[0];
	for (uint32_t i = 0; i < n; i++)
		for (uint64_t k = 0; k < parts[2 * i + 1]; k++) list[used++] = (handle)(uintptr_t)parts[2 * i];
	if (c->queries) list[used++] = c->buffers[2];
	SubmitInfo info = {.sType = ST_SUBMIT_INFO, .buffers = used, .buffer = list};
	r = d->QueueSubmit(d->queue, 1, &info, c->fence);
	free(list);
	return r;
}

int32_t shim_wait(Device *d, const Commands *c, uint64_t nanoseconds) { return d->WaitForFences(d->device, 1, &c->fence, 1, nanoseconds); }

int32_t shim_ticks(Device *d, const Commands *c, uint32_t first, uint32_t n, uint64_t *ticks) {
	return d->GetQueryPoolResults(d->device, c->queries, first, n, n * sizeof *ticks, ticks, sizeof *ticks, 1 | 2);  // 64 bits, wait
}
