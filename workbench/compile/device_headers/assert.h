// Device code includes <assert.h> out of habit: the compiler knows assert by itself.
#pragma once
