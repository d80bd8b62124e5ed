/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests for the virtual machine generation counter
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/acpi/vmgenctr.h"

#define LAST VMGENCTR_GENERATION_MAX

typedef struct LoadTest {
    const char *name;
    uint64_t live;
    VmgenctrPhase phase;
    uint64_t loaded;
    bool same_guid;
    uint64_t expected;      /* 0: refused */
    bool changed;
} LoadTest;

static const LoadTest load_tests[] = {
    /* a new process: live is the floor, or 1 */
    { "moved", 1, VMGENCTR_FRESH, 1, true, 1, false },
    { "moved/later", 1, VMGENCTR_FRESH, 7, true, 7, false },
    { "moved/floor", 7, VMGENCTR_FRESH, 7, true, 7, false },
    { "moved/last", 1, VMGENCTR_FRESH, LAST, true, LAST, false },
    { "moved/below-floor", 9, VMGENCTR_FRESH, 7, true, 9, true },
    { "copy", 1, VMGENCTR_FRESH, 1, false, 2, true },
    { "copy/later", 1, VMGENCTR_FRESH, 7, false, 8, true },
    { "copy/floor", 9, VMGENCTR_FRESH, 7, false, 9, true },
    { "copy/floor-is-next", 8, VMGENCTR_FRESH, 7, false, 8, true },
    { "copy/floor-is-old", 7, VMGENCTR_FRESH, 7, false, 8, true },
    { "copy/last", 1, VMGENCTR_FRESH, LAST, false },
    { "no-counter", 1, VMGENCTR_FRESH, 0, false, 2, true },
    { "no-counter/same-guid", 1, VMGENCTR_FRESH, 0, true, 2, true },
    { "no-counter/floor", 9, VMGENCTR_FRESH, 0, false, 9, true },
    /* in place: live is already the successor of what ran before */
    { "revert", 2, VMGENCTR_REVERTING, 1, true, 2, true },
    { "revert/older", 9, VMGENCTR_REVERTING, 3, true, 9, true },
    { "revert/newer", 2, VMGENCTR_REVERTING, 7, true, 8, true },
    { "revert/other-guid", 9, VMGENCTR_REVERTING, 3, false, 9, true },
    { "revert/no-counter", 2, VMGENCTR_REVERTING, 0, true, 2, true },
    { "revert/last", LAST, VMGENCTR_REVERTING, 1, true, LAST, true },
    { "revert/exhausted", UINT64_MAX, VMGENCTR_REVERTING, 1, true },
    { "revert/newer-exhausted", 2, VMGENCTR_REVERTING, LAST, true },
    /* a second stream, after one that may have failed further on */
    { "again/moved", 5, VMGENCTR_LOADED, 5, true, 5, false },
    { "again/moved-further", 5, VMGENCTR_LOADED, 6, true, 6, false },
    { "again/moved-from-before", 6, VMGENCTR_LOADED, 5, true, 7, true },
    { "again/copy", 6, VMGENCTR_LOADED, 5, false, 7, true },
    { "again/no-counter", 2, VMGENCTR_LOADED, 0, false, 3, true },
    { "again/exhausted", LAST, VMGENCTR_LOADED, 5, false },
    /* what no counter hands out */
    { "invalid", 1, VMGENCTR_FRESH, UINT64_MAX, false },
    { "invalid/moved", 1, VMGENCTR_FRESH, UINT64_MAX, true },
};

static void test_load(const void *opaque)
{
    const LoadTest *t = opaque;
    VmgenctrState s = { .generation = t->live, .phase = t->phase };
    bool changed = !t->changed;
    Error *err = NULL;

    if (vmgenctr_load(&s, t->loaded, t->same_guid, &changed, &err)) {
        g_assert_null(err);
        g_assert_cmpuint(s.generation, ==, t->expected);
        g_assert_cmpint(s.phase, ==, VMGENCTR_LOADED);
        g_assert_cmpint(changed, ==, t->changed);
        return;
    }
    error_free_or_abort(&err);
    g_assert_cmpuint(t->expected, ==, 0);
    g_assert_cmpuint(s.generation, ==, t->live);
    g_assert_cmpint(s.phase, ==, t->phase);
    g_assert_cmpint(changed, ==, !t->changed);
}

static void test_init(void)
{
    VmgenctrState s;
    Error *err = NULL;

    g_assert_true(vmgenctr_init(&s, 0, &error_abort));
    g_assert_cmpuint(s.generation, ==, 1);
    g_assert_true(vmgenctr_init(&s, 1, &error_abort));
    g_assert_cmpuint(s.generation, ==, 1);
    g_assert_true(vmgenctr_init(&s, LAST, &error_abort));
    g_assert_cmpuint(s.generation, ==, LAST);
    g_assert_cmpint(s.phase, ==, VMGENCTR_FRESH);
    g_assert_false(vmgenctr_init(&s, UINT64_MAX, &err));
    error_free_or_abort(&err);
}

/* Reverts that failed to load anything still count, and do not wrap */
static void test_revert(void)
{
    VmgenctrState s;

    vmgenctr_init(&s, LAST - 1, &error_abort);
    vmgenctr_revert(&s);
    g_assert_cmpuint(s.generation, ==, LAST);
    vmgenctr_revert(&s);
    g_assert_cmpuint(s.generation, ==, UINT64_MAX);
    vmgenctr_revert(&s);
    g_assert_cmpuint(s.generation, ==, UINT64_MAX);
    g_assert_cmpint(s.phase, ==, VMGENCTR_REVERTING);
}

/* In one process, whatever is loaded: each execution gets a value of its own */
static void test_never_repeats(void)
{
    static const uint64_t snapshots[] = { 3, 1, 0, 3, 12, 3, 5, 12, 0, 1 };
    uint64_t last;
    VmgenctrState s;
    bool changed;
    size_t i;

    vmgenctr_init(&s, 0, &error_abort);
    for (i = 0; i < ARRAY_SIZE(snapshots); i++) {
        last = s.generation;
        vmgenctr_revert(&s);
        g_assert_true(vmgenctr_load(&s, snapshots[i], true, &changed,
                                    &error_abort));
        g_assert_true(changed);
        g_assert_cmpuint(s.generation, >, last);
        g_assert_cmpuint(s.generation, >, snapshots[i]);
    }
}

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmgenctr/init", test_init);
    g_test_add_func("/vmgenctr/revert", test_revert);
    g_test_add_func("/vmgenctr/never-repeats", test_never_repeats);
    for (i = 0; i < ARRAY_SIZE(load_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/load/%s", load_tests[i].name);

        g_test_add_data_func(path, &load_tests[i], test_load);
    }
    return g_test_run();
}
