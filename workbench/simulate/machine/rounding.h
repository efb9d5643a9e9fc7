// Arithmetic in another rounding than to nearest: the host's own rounding mode is set around a form.
#pragma once

#include <cfenv>

#include "machine.h"

namespace simulate {

/// Runs a form while the host rounds as MODE says. It is called, not repeated here: so it stays inside.
template <Form FORM, int MODE>
void in_rounding(Warp &w, const Instruction &i, u32 mask) {
    const Form volatile form = FORM;
    std::fesetround(MODE);
    form(w, i, mask);
    std::fesetround(FE_TONEAREST);
}

/// Registers a form under name + type, and with .rz, .rm and .rp in between.
template <Form FORM>
void register_roundings(const Name &name, const Name &type) {
    RegisterForm(name + type, FORM);
    RegisterForm(name + ".rz" + type, in_rounding<FORM, FE_TOWARDZERO>);
    RegisterForm(name + ".rm" + type, in_rounding<FORM, FE_DOWNWARD>);
    RegisterForm(name + ".rp" + type, in_rounding<FORM, FE_UPWARD>);
}

}  // namespace simulate
