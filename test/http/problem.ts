import type { LightMyRequestResponse } from 'fastify'
import { expect } from 'vitest'
import { Problem } from '../../src/http/problems.ts'

/** That an answer is problem details (RFC 9457) of this status and type; gives the detail that a person reads. */
export function expectProblem(answer: LightMyRequestResponse, status: number, type: string): string {
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/)
  const problem = Problem.strict().parse(answer.json())
  expect(problem).toMatchObject({ type, status })
  expect(answer.statusCode).toBe(status)
  expect(problem.title).not.toBe('')
  return problem.detail
}
