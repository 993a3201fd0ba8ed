/**
 * The exceptional ends of a frame, which cost all its gas, in the words that Ethereum's tools know.
 *
 * They are made once: an attacker reaches them often, and a stack trace costs more than the opcode.
 */
export class ExceptionalHalt extends Error {
  constructor(failure: string) {
    super(failure)
    this.name = 'ExceptionalHalt'
  }
}

export const OUT_OF_GAS = new ExceptionalHalt('out of gas')
export const STACK_UNDERFLOW = new ExceptionalHalt('stack underflow')
export const STACK_OVERFLOW = new ExceptionalHalt('stack overflow')
export const INVALID_JUMP = new ExceptionalHalt('invalid JUMP')
export const INVALID_OPCODE = new ExceptionalHalt('invalid opcode')
export const STATIC_STATE_CHANGE = new ExceptionalHalt('static state change')
export const INIT_CODE_TOO_LARGE = new ExceptionalHalt('initcode exceeds max initcode size')
