// SPDX-License-Identifier: GPL-2.0
// C++ for build_test: NEW is defined for the changed version. Exceptions pass through what is replaced.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>
#ifdef NEW
#define CHANGED(now, was) now
#else
#define CHANGED(now, was) was
#endif
#define NOINLINE __attribute__((noinline))

struct Odd {
	int n;
};

struct Counter {
	static int alive;
	Counter()
	{
		alive++;
	}
	~Counter()
	{
		alive--;
	}
};
int Counter::alive;

NOINLINE static int thrower(int n)
{
	Counter counter;

	if (n % 3 == 1)
		throw Odd{ n };
	if (n % 3 == 2)
		throw std::runtime_error("number " + std::to_string(CHANGED(n + 1, n)));
	return n + Counter::alive;
}

// Catches another type, and cleans up on the way.
NOINLINE static int catcher(int n)
{
	Counter counter;

	try {
		return thrower(n) + 100;
#ifdef NEW
	} catch (const std::exception &error) {
		return (int)std::string(error.what()).size() + 1000;
#endif
	} catch (const Odd &odd) {
		return CHANGED(-odd.n, odd.n);
	}
}

static int f0(int n)
{
	try {
		return catcher(n);
	} catch (const std::exception &error) {
		return (int)std::string(error.what()).size();
	}
}

template <typename T> NOINLINE T twice(T value)
{
	return value * value * 5 + value + CHANGED(T(3), T(1));
}

static int f1(int n)
{
	return twice<int>(n) + (int)twice<double>(n);
}

struct Shape {
	virtual int area(int n)
	{
		return n;
	}
	virtual ~Shape()
	{
	}
};

struct Square : Shape {
	int area(int n) override
	{
		return CHANGED(n * n + 7, n * n);
	}
};

static int f2(int n)
{
	static Square square;
	static Shape shape;
	Shape *shapes[] = { &square, &shape };

	return shapes[n & 1]->area(n);
}

static int f3(int n)
{
	std::vector<int> numbers;
	auto add = [&](int value) NOINLINE { numbers.push_back(CHANGED(value * 2, value)); };

	for (int i = 0; i < (n & 7); i++)
		add(i);
	int sum = Counter::alive;
	for (int number : numbers)
		sum += number;
	return sum;
}

extern int (*const all[])(int);
int (*const all[])(int) = { f0, f1, f2, f3 };

int main()
{
	char name;
	int number, x;

	puts("ready");
	fflush(stdout);
	while (scanf(" %c%d %d", &name, &number, &x) == 3) {
		printf("%d\n", all[number](x));
		fflush(stdout);
	}
	return 0;
}
