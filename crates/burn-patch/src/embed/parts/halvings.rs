//! Strides of several steps that make one stride together.

/// Steps that make `stride` together: as many halvings at the end as leave 4 px or less for the first step,
/// at least one where an axis can be halved. An axis that is odd by then takes its whole stride first.
pub(crate) fn halvings(stride: [usize; 2]) -> Vec<[usize; 2]> {
    let mut first = stride;
    let mut steps = Vec::new();
    while steps.is_empty() || first.iter().any(|step| *step > 4) {
        let factor = first.map(|step| {
            if step > 1 && step.is_multiple_of(2) {
                2
            } else {
                1
            }
        });
        if factor == [1, 1] {
            break;
        }
        first = [first[0] / factor[0], first[1] / factor[1]];
        steps.push(factor);
    }
    steps.push(first);
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case([16, 16], vec![[4, 4], [2, 2], [2, 2]])]
    #[case([4, 4], vec![[2, 2], [2, 2]])]
    #[case([4, 2], vec![[2, 1], [2, 2]])]
    #[case([16, 2], vec![[4, 1], [2, 1], [2, 2]])]
    #[case([3, 5], vec![[3, 5]])]
    #[case([1, 1], vec![[1, 1]])]
    fn halvings_multiply_to_the_stride(#[case] stride: [usize; 2], #[case] want: Vec<[usize; 2]>) {
        let steps = halvings(stride);
        let product = |axis: usize| steps.iter().map(|step| step[axis]).product::<usize>();
        assert_eq!([product(0), product(1)], stride);
        assert_eq!(steps, want);
    }
}
