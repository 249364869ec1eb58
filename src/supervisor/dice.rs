//! Randomness from a seed: the same seed, the same throws.

/// A xorshift64* generator: small, fast, good enough to spread retries.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Zero is the one state it never leaves.
        Self(seed ^ 0x9E37_79B9_7F4A_7C15).or_one()
    }

    fn or_one(self) -> Self {
        Self(self.0.max(1))
    }

    /// A number from 0 up to, but not including, 1.
    pub(super) fn throw(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        // 53 bits fit in the mantissa exactly.
        bits as f64 / (1u64 << 53) as f64
    }
}
