/* SPDX-License-Identifier: BSD-3-Clause */
#include "timer_wheel.h"

#include <string.h>

#define SLOT_BITS 8
#define SLOT_MASK (TIMER_WHEEL_SLOTS - 1)
#define COMING    TIMER_WHEEL_LISTS /* the list of those coming due */

void
timer_wheel_init(struct timer_wheel *wheel, uint32_t now_ms, void *arg)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->now_ms = now_ms;
	wheel->arg = arg;
}

static void
enter(struct timer_wheel *wheel, struct timer *timer, uint16_t list)
{
	struct timer **head = &wheel->lists[list];

	timer->list = list;
	timer->link = head;
	timer->next = *head;
	if (*head != NULL)
		(*head)->link = &timer->next;
	*head = timer;
	wheel->occupied[list / 64] |= UINT64_C(1) << list % 64;
}

static void
leave(struct timer_wheel *wheel, struct timer *timer)
{
	uint16_t list = timer->list;

	*timer->link = timer->next;
	if (timer->next != NULL)
		timer->next->link = timer->link;
	timer->link = NULL;
	if (wheel->lists[list] == NULL)
		wheel->occupied[list / 64] &= ~(UINT64_C(1) << list % 64);
}

/* The list for a due time: by its distance from the wheel's time. */
static uint16_t
list_for(const struct timer_wheel *wheel, uint32_t due_ms)
{
	uint32_t distance = due_ms - wheel->now_ms;
	unsigned int level = 0;

	while (level + 1 < TIMER_WHEEL_LEVELS && distance >> SLOT_BITS * (level + 1) != 0)
		level++;
	return (uint16_t)(level * TIMER_WHEEL_SLOTS + (due_ms >> SLOT_BITS * level & SLOT_MASK));
}

void
timer_wheel_add(struct timer_wheel *wheel, struct timer *timer, uint32_t due_ms,
		timer_on_due on_due)
{
	timer_wheel_cancel(wheel, timer);
	if ((int32_t)(due_ms - wheel->now_ms) <= 0)
		due_ms = wheel->now_ms + 1;
	timer->due_ms = due_ms;
	timer->on_due = on_due;
	enter(wheel, timer, list_for(wheel, due_ms));
	wheel->timers_n++;
}

void
timer_wheel_cancel(struct timer_wheel *wheel, struct timer *timer)
{
	if (!timer_is_armed(timer))
		return;
	leave(wheel, timer);
	wheel->timers_n--;
}

/* The wheel's time has reached the beginning of a slot of this level: its timers move down. */
static void
cascade(struct timer_wheel *wheel, unsigned int level)
{
	uint32_t slot = wheel->now_ms >> SLOT_BITS * level & SLOT_MASK;
	struct timer **list = &wheel->lists[level * TIMER_WHEEL_SLOTS + slot];

	if (slot == 0 && level + 1 < TIMER_WHEEL_LEVELS)
		cascade(wheel, level + 1);
	while (*list != NULL) {
		struct timer *timer = *list;

		leave(wheel, timer);
		enter(wheel, timer, list_for(wheel, timer->due_ms));
	}
}

/*
 * Called functions may add to and take from every list, this one too.  The slot's list becomes that
 * of those coming due as a whole: its timers keep the slot's number, by which leave() clears a bit
 * only if nothing is in the slot.
 */
static void
fire(struct timer_wheel *wheel)
{
	uint32_t slot = wheel->now_ms & SLOT_MASK;
	struct timer *timer = wheel->lists[slot];

	if (timer == NULL)
		return;
	wheel->lists[slot] = NULL;
	wheel->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	wheel->lists[COMING] = timer;
	timer->link = &wheel->lists[COMING];
	while ((timer = wheel->lists[COMING]) != NULL) {
		__builtin_prefetch(timer->next, 1);
		leave(wheel, timer);
		wheel->timers_n--;
		timer->on_due(timer, wheel->arg);
	}
}

/*
 * The first occupied slot of the lowest level from `slot` on, or TIMER_WHEEL_SLOTS, where the next
 * slots of the higher levels begin.
 */
static uint32_t
next_occupied(const struct timer_wheel *wheel, uint32_t slot)
{
	for (; slot < TIMER_WHEEL_SLOTS; slot = (slot | 63) + 1) {
		uint64_t bits = wheel->occupied[slot / 64] >> slot % 64;

		if (bits != 0)
			return slot + (uint32_t)__builtin_ctzll(bits);
	}
	return TIMER_WHEEL_SLOTS;
}

void
timer_wheel_advance(struct timer_wheel *wheel, uint32_t now_ms)
{
	while (wheel->now_ms != now_ms) {
		uint32_t left = now_ms - wheel->now_ms;
		uint32_t slot = (wheel->now_ms & SLOT_MASK) + 1;
		uint32_t step = next_occupied(wheel, slot) - slot + 1;

		if (step > left || wheel->timers_n == 0)
			step = left;
		wheel->now_ms += step;
		if ((wheel->now_ms & SLOT_MASK) == 0)
			cascade(wheel, 1);
		fire(wheel);
	}
}
